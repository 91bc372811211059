"""`vljepa gate` from the command line: it listens, spares what has not moved, and tells how much when it ends."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from tests.servers import serving
from tests.streaming.test_proxy import Model, png, question

from vljepa.cli.main import main

ROOT = Path(__file__).parents[2]


def test_it_listens_until_ctrl_c_and_tells_what_it_spared(tiny_folder: Path) -> None:
    model = Model()
    with serving(model) as to:
        command = [sys.executable, "-m", "vljepa.cli.main", "gate", "--to", f"{to}/v1", "--port", "0", "--json"]
        process = subprocess.Popen(
            [*command, "--model", str(tiny_folder), "--device", "cpu", "--threshold", "0.0001"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
        )
        try:
            assert process.stderr is not None
            line = process.stderr.readline()
            address = line.split()[2].removesuffix(";")
            for _ in range(3):
                body = json.dumps(question(png(1))).encode()
                urlopen(Request(f"{address}/chat/completions", body), timeout=60).close()
            process.send_signal(signal.SIGINT)
            out, _ = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 0
    assert json.loads(out) == {"event": "gate", "requests": 3, "forwarded": 1, "saved": 2, "share_saved": 0.6667}
    assert len(model.visits) == 1


@pytest.fixture
def refused(tiny_folder: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs the verb, which must fail; returns its one sentence."""

    def run(*arguments: str) -> str:
        assert main(["gate", *arguments, "--model", str(tiny_folder), "--device", "cpu"]) == 2
        (sentence,) = capsys.readouterr().err.splitlines()
        return sentence

    return run


def test_what_cannot_be_is_one_sentence(refused: Any) -> None:
    assert "is no address of an API: write http" in refused("--to", "localhost:8000")
    assert "the threshold is 3" in refused("--to", "http://localhost:8000/v1", "--threshold", "3")
    assert "at_least_every is 0 s" in refused("--to", "http://localhost:8000/v1", "--at-least-every", "0")
    assert "choose another --port" in refused("--to", "http://localhost:8000/v1", "--port", "99999")
