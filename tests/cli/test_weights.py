"""`vljepa weights` from outside: one command makes a folder that opens; what is no weights is told in one sentence."""

import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.servers import Visit, serving
from tests.weights import made_published as made
from tests.weights.made_whole import VIDEO

from vljepa.cli import weights_export, weights_import
from vljepa.cli.main import main
from vljepa.weights.exporting import EXPORTS
from vljepa.weights.folder import load_folder
from vljepa.weights.importing import KINDS


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("parts")
    return {
        "source": made.saved(made.vjepa2(), folder / "vjepa2", processor=VIDEO),
        "predictor": made.saved(made.llama(), folder / "llama"),
        "y-encoder": made.saved(made.bert(), folder / "bert"),
    }


def command(parts: dict[str, Path], into: Path, *more: str) -> list[str]:
    named = ["--predictor", str(parts["predictor"]), "--y-encoder", str(parts["y-encoder"])]
    return ["weights", "import", "parts", str(parts["source"]), *named, "--into", str(into), *more]


def test_one_command_makes_a_folder_that_opens_and_checks(
    parts: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    into = tmp_path / "new" / "model"
    assert main(command(parts, into, "--layers", "1", "--shared", "12", "--name", "mine", "--json")) == 0
    told = json.loads(capsys.readouterr().out)
    bundle = load_folder(into)
    assert told == {
        "folder": str(into),
        "name": "mine",
        "parameters": sum(tensor.numel() for tensor in bundle.model.parameters()),
    }
    assert bundle.model.settings.predictor.llama.layers == (2,) and bundle.model.settings.predictor.shared == 12
    assert main(["weights", "check", str(into), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["ok"]
    assert main(["weights", "export", "predictor", str(into), "--into", str(tmp_path / "out"), "--json"]) == 0
    files = json.loads(capsys.readouterr().out)["files"]
    assert [Path(file).name for file in files] == ["config.json", "model.safetensors", "tokenizer.json"]
    assert main(command(parts, into)) == 2
    assert "is there already" in capsys.readouterr().err


def test_list_and_the_options_name_every_kind(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights", "list", "--json"]) == 0
    assert [kind["kind"] for kind in json.loads(capsys.readouterr().out)["kinds"]] == list(KINDS)
    assert main(["weights", "list"]) == 0
    assert "google/embeddinggemma-300m" in capsys.readouterr().out
    assert tuple(KINDS) == weights_import.KINDS and tuple(EXPORTS) == weights_export.KINDS


class Payload:
    """Unpickled carelessly, it would create a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return (open, (str(self.path), "w"))  # type: ignore[return-value]


def damaged(folder: Path, content: bytes) -> None:
    (folder / "model.safetensors").write_bytes(content)


def test_what_is_no_weights_is_refused_in_one_sentence_and_nothing_is_left(
    parts: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trace, into = tmp_path / "it ran", tmp_path / "model"
    whole = (parts["predictor"] / "model.safetensors").read_bytes()
    bad = {
        "is a web page": b"<!DOCTYPE html><html>Sign in</html>",
        "no complete safetensors file": whole[:-40],
        "is only a pointer of Git LFS": b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 2\n",
        "is empty": b"",
    }
    copy = shutil.copytree(parts["predictor"], tmp_path / "copy")
    for sentence, content in bad.items():
        damaged(copy, content)
        assert sentence in refused(command(parts | {"predictor": copy}, into), capsys)
    torch.save({"encoder": {"x": Payload(trace)}}, tmp_path / "code-256.pt")
    assert "code in it was not run" in refused(command(parts | {"source": tmp_path / "code-256.pt"}, into), capsys)
    assert not trace.exists()
    with zipfile.ZipFile(tmp_path / "zip-256.pt", "w") as archive:
        archive.writestr("weights.bin", b"x")
    zipped = parts | {"source": tmp_path / "zip-256.pt"}
    assert "zip archive without a checkpoint" in refused(command(zipped, into), capsys)
    swapped = parts | {"predictor": parts["source"]}
    assert "'vjepa2' is no Llama" in refused(command(swapped, into), capsys)
    assert "for frames of 32 pixels" in refused(command(parts, into, "--resolution", "384"), capsys)
    lost = parts | {"source": tmp_path / "nowhere.pt"}
    assert "nowhere.pt: check the path" in refused(command(lost, into), capsys)
    assert not into.exists() and not into.with_name("model.tmp").exists()


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    status = main(arguments)
    out, err = capsys.readouterr()
    assert (status, out) == (2, ""), err
    lines = [line for line in err.splitlines() if not line.startswith("reading ")]
    assert len(lines) == 1 and "Traceback" not in err, err
    return lines[0]


REFUSALS = {
    "GatedRepo": (403, "gated/llama is gated: accept its terms on {page}, then log in with `hf auth login`"),
    "RepoNotFound": (404, "the hub has no such model"),
    "RevisionNotFound": (404, "gated/llama has no revision v9"),
}


@pytest.mark.parametrize("code", REFUSALS)
def test_what_the_hub_refuses_is_told(
    parts: dict[str, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    code: str,
) -> None:
    status, sentence = REFUSALS[code]

    def answer(visit: Visit) -> None:
        visit.send_response(status)
        visit.send_header("X-Error-Code", code)
        visit.send_header("Content-Length", "0")
        visit.end_headers()

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    with serving(answer) as address:
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", address)
        told = refused(command(parts | {"predictor": Path("gated/llama@v9")}, tmp_path / "model"), capsys)
        assert sentence.format(page=f"{address}/gated/llama") in told


@pytest.mark.parametrize("offline", [True, False])
def test_no_network_is_told(
    parts: dict[str, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    offline: bool,
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    more = ["--offline"] * offline
    told = refused(command(parts | {"predictor": Path("some/llama")}, tmp_path / "model", *more), capsys)
    assert "the hub cannot be reached for it" in told
