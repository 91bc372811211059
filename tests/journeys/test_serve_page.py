"""docs/serve.md works as written: curl, OpenAI's client and a scrape ask a service that was started as it says."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path

import pytest
import torch
from PIL import Image
from prometheus_client.parser import text_string_to_metric_families

import vljepa
from vljepa.cli.main import main
from vljepa.data.encode import encode_mp4

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "serve.md"
SOURCE = str(Path(vljepa.__file__).parents[1])


def blocks(language: str, page: Path = PAGE) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(), re.DOTALL)


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a photograph, a clip, and videos, as the page supposes."""
    folder = tmp_path_factory.mktemp("newcomer")
    Image.effect_mandelbrot((320, 240), (-2, -1.2, 1, 1.2), 50).convert("RGB").save(folder / "photo.jpg")
    frames = torch.full((32, 120, 160, 3), 200, dtype=torch.uint8)
    for time in range(32):
        frames[time, 40:80, 3 * time : 3 * time + 40] = torch.tensor([220, 20, 20], dtype=torch.uint8)
    (folder / "clip.mp4").write_bytes(encode_mp4(frames, fps=8.0))
    (folder / "videos").mkdir()
    (folder / "videos" / "ball.mp4").write_bytes(encode_mp4(frames, fps=8.0))
    return folder


@pytest.fixture(scope="module")
def service(newcomer: Path) -> Iterator[str]:
    """The address of the service of the page, on a free port; it ends well when it is told to."""
    lines = blocks("sh")[0].strip().split("\n")
    assert [line.split()[0] for line in lines] == ["pip", "vljepa", "vljepa"]
    environment = os.environ | {"PYTHONPATH": SOURCE}
    program = [sys.executable, "-m", "vljepa.cli"]
    with chdir(newcomer):
        assert main(shlex.split(lines[1])[1:]) == 0
    command = [*program, *shlex.split(lines[2])[1:], "--port", "0", "--json"]
    with subprocess.Popen(command, cwd=newcomer, env=environment, stdout=subprocess.PIPE, text=True) as started:
        assert started.stdout is not None
        try:
            yield json.loads(started.stdout.readline())["address"]
        finally:
            started.send_signal(signal.SIGTERM)
            assert started.wait(30) == 0


def test_every_call_of_curl_is_answered(service: str, newcomer: Path) -> None:
    assert shutil.which("curl"), "curl is not here: install it"
    shown = blocks("curl")[0] + blocks("curl", ROOT / "README.md")[0].replace("http://127.0.0.1:8600", "$VLJEPA")
    lines = shown.strip().split("\n")
    assert len(lines) == 14
    told = []
    for line in lines:
        environment = os.environ | {"VLJEPA": service}
        command = ["bash", "-c", line.replace("curl -s", "curl -sf")]
        answered = subprocess.run(
            command, cwd=newcomer, env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert answered.returncode == 0, (line, answered.stderr)
        told.append(answered.stdout)
    assert len(json.loads(told[1])["data"]) == 3
    assert json.loads(told[2])["scores"]
    assert json.loads(told[3])["answer"] in ("red", "blue")
    assert json.loads(told[5])["hits"]
    families = {family.name for family in text_string_to_metric_families(told[-2])}
    assert {"vljepa_requests", "vljepa_request_seconds", "vljepa_batch_size", "vljepa_model_seconds"} <= families


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_client_of_openai_works_as_it_is(service: str, capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = blocks("python")
    exec(compile(block.replace("http://127.0.0.1:8600", service), "serve.md", "exec"), {})
    assert "2 vectors of 384 numbers" in capsys.readouterr().out
    from openai import NotFoundError, OpenAI, UnprocessableEntityError

    with OpenAI(base_url=f"{service}/v1", api_key="none", max_retries=0) as client:
        assert [model.id for model in client.models.list().data] == ["small"]
        plain = client.embeddings.create(model="small", input="a dog", encoding_format="float").data[0].embedding
        packed = client.embeddings.create(model="small", input="a dog").data[0].embedding
        assert packed == pytest.approx(plain, abs=1e-6)
        with pytest.raises(NotFoundError, match="ask for 'small'"):
            client.embeddings.create(model="text-embedding-3-small", input="a dog")
        with pytest.raises(UnprocessableEntityError, match="384 dimensions"):
            client.embeddings.create(model="small", input="a dog", dimensions=64)


def test_what_is_only_shown_has_options_that_exist(capsys: pytest.CaptureFixture[str]) -> None:
    text = PAGE.read_text()
    assert main(["serve", "--help"]) == main(["mcp", "--help"]) == 0
    told = capsys.readouterr().out
    shown = set(re.findall(r"--[a-z][a-z-]+", re.sub(r"`vljepa index.*?`|vljepa index .*", "", text)))
    assert [option for option in sorted(shown) if option not in told] == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--host", "0.0.0.0"], "give --token-file"),
        (["--token-file", "none"], "none cannot be read"),
        (["--root", "none"], "none is no folder"),
        (["--source", "rtsp://a"], "NAME=SOURCE"),
        (["--library", "none"], "vljepa index"),
        (["--max-body", "0"], "body is 0"),
        (["--port", "99999"], "is no port"),
    ],
    ids=lambda value: value if isinstance(value, str) else value[0],
)
def test_what_is_wrong_is_said_before_anything_listens(
    arguments: list[str],
    words: str,
    tiny_folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("VLJEPA_TOKEN", raising=False)
    monkeypatch.chdir(tiny_folder)
    port = [] if "--port" in arguments else ["--port", "0"]
    assert main(["serve", *arguments, *port, "--model", str(tiny_folder), "--device", "cpu"]) == 2
    assert words in capsys.readouterr().err
