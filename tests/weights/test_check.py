"""A folder tells by itself whether it still computes what it computed, and where it does not."""

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.conftest import tiny_bundle

from vljepa.cli import weights_check
from vljepa.embedder import shipped_folder
from vljepa.models.sizes import paper
from vljepa.models.vljepa import VLJEPA
from vljepa.weights.check import Checked, check_folder
from vljepa.weights.convert import WeightsError
from vljepa.weights.folder import Undrawn, save_folder, write_check
from vljepa.weights.known_sizes import KnownSize, known_sizes

CPU = torch.device("cpu")


@pytest.fixture
def folder(tiny_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_folder, tmp_path / "model"))


def wrong(checked: Checked) -> dict[str, str]:
    return {part.name: " ".join(part.wrong) for part in checked.parts if part.wrong}


def run(*arguments: str | Path) -> int:
    from argparse import ArgumentParser

    parser = ArgumentParser()
    weights_check.add_options(parser)
    return weights_check.run(parser.parse_args(list(map(str, arguments))))


def test_what_was_saved_is_right(folder: Path) -> None:
    checked = check_folder(folder, device=CPU)
    assert checked.ok and checked.dtype == "float32"
    assert [part.name for part in checked.parts] == ["x_encoder", "predictor", "y_encoder", "token_table", "y_decoder"]
    counts = {part.name: part.found.parameters for part in checked.parts}
    model = tiny_bundle().model
    assert counts["y_encoder"] == sum(weight.numel() for weight in model.y_encoder.parameters())
    assert sum(counts.values()) == sum(weight.numel() for weight in model.parameters())


def test_the_shipped_folder_is_right_and_as_large_as_published(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(shipped_folder()) == 0
    told = capsys.readouterr().out
    assert "EfficientNet-Lite0 4.6 M, published 4.7 M" in told
    assert "all-MiniLM-L6-v2 22.6 M, published 22.7 M" in told


def test_the_papers_parts_have_their_published_sizes() -> None:
    settings = paper()
    settings = dataclasses.replace(settings, y_encoder=dataclasses.replace(settings.y_encoder, dense=3072))
    with torch.device("meta"), Undrawn():
        sizes = known_sizes(VLJEPA(settings))
    told = [str(size) for part in sizes.values() for size in part]
    assert told == [
        "V-JEPA 2 ViT-L 303.9 M, published 304 M",
        "the paper's Predictor 496.0 M, published 490 M",
        "EmbeddingGemma-300M 302.9 M, published 302.9 M",
        "its own two heads 4.7 M, published 4.7 M",
    ]
    assert all(size.ok for part in sizes.values() for size in part)
    assert not KnownSize(name="a half", published=304.0, found=152.0).ok


@pytest.mark.parametrize(
    ("tensor", "part"),
    [
        ("x_encoder.network.stem.weight", "x_encoder"),
        ("predictor.head.bias", "predictor"),
        ("y_encoder.body.layers.1.norm.bias", "y_encoder"),
        ("y_decoder.layers.norm.weight", "y_decoder"),
    ],
)
def test_one_wrong_number_is_found_in_its_part(folder: Path, tensor: str, part: str) -> None:
    tensors = load_file(folder / "model.safetensors")
    tensors[tensor].view(-1)[0] += 1
    save_file(tensors, folder / "model.safetensors")
    checked = check_folder(folder, device=CPU)
    assert not checked.ok
    assert "model.safetensors is another file" in checked.wrong[0]
    assert "output" in wrong(checked)[part]


def test_what_is_no_number_is_counted(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    tensors["y_encoder.head.weight"][0, :3] = torch.nan
    save_file(tensors, folder / "model.safetensors")
    found = wrong(check_folder(folder, device=CPU))
    assert set(found) == {"y_encoder"} and "3 of its parameters are NaN" in found["y_encoder"]


def test_int8_is_compared_with_int8(tmp_path: Path) -> None:
    bundle = tiny_bundle()
    wide = dataclasses.replace(bundle.model.settings, vocab=3000)
    bundle = dataclasses.replace(bundle, model=type(bundle.model)(wide))
    save_folder(bundle, tmp_path / "model", card="", int8=True)
    assert load_file(tmp_path / "model" / "model.safetensors")["token_table.weight"].dtype == torch.int8
    assert check_folder(tmp_path / "model", device=CPU).ok


def test_a_big_model_is_compared_in_bfloat16(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vljepa.weights.folder.BIG", 1000)
    write_check(folder)
    assert check_folder(folder, device=CPU).ok
    assert check_folder(folder, device=CPU).dtype == "bfloat16"


def test_the_command_tells_and_ends_with_2_where_something_differs(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(folder) == 0
    assert "ok       y_encoder: " in capsys.readouterr().out
    values = json.loads((folder / "check.json").read_text())
    values["parts"]["predictor"]["sums"][3] += 0.01
    (folder / "check.json").write_text(json.dumps(values))
    assert run(folder) == 2
    out, err = capsys.readouterr()
    assert "DIFFERS  predictor" in out and "a sum differs by 0.01" in out and "not what was saved" in err
    assert run(folder, "--json") == 2
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert found["ok"] is False and found["parts"][1]["wrong"]
    assert run(folder, "--write") == 0
    assert json.loads((folder / "check.json").read_text())["parts"] != values["parts"]


def test_nothing_to_compare_with_is_told(folder: Path) -> None:
    (folder / "check.json").unlink()
    with pytest.raises(WeightsError, match=r"has no check.json.*check .* --write"):
        check_folder(folder, device=CPU)
    write_check(folder)
    values = json.loads((folder / "check.json").read_text())
    for spoilt, sentence in (
        (values | {"dtype": "float8"}, "dtype is 'float8'"),
        (values | {"parts": {}}, "write it again"),
    ):
        (folder / "check.json").write_text(json.dumps(spoilt))
        with pytest.raises(WeightsError, match=sentence):
            check_folder(folder, device=CPU)
    with pytest.raises(WeightsError, match="is missing"):
        check_folder(folder / "nothing", device=CPU)
