"""A model folder comes back as it was saved, and every way of spoiling it is refused by name."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.conftest import tiny_bundle

from vljepa.config import SettingsError
from vljepa.weights.convert import WeightsError
from vljepa.weights.folder import load_folder, save_folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_folder(tiny_bundle(), tmp_path / "model", card="# a model\n", int8=False)
    return tmp_path / "model"


def test_saved_equals_loaded(folder: Path) -> None:
    before, after = tiny_bundle(), load_folder(folder)
    saved, loaded = before.model.state_dict(), after.model.state_dict()
    assert saved.keys() == loaded.keys()
    for name, tensor in saved.items():
        torch.testing.assert_close(loaded[name], tensor, rtol=0, atol=0)
    query = before.query_tokenizer(["what colour is the ball", ""])
    visual = torch.randn(2, 4, before.model.settings.predictor.visual_width)
    with torch.no_grad():
        torch.testing.assert_close(after.model.predict(visual, query), before.model.predict(visual, query))
        torch.testing.assert_close(after.model.encode_text(query), before.model.encode_text(query))
        assert after.model.decode(torch.ones(1, 16)) == before.model.decode(torch.ones(1, 16))


def test_int8_is_near_and_a_quarter_of_the_size(tmp_path: Path) -> None:
    from vljepa.weights.quantize import packed, unpacked

    weight = torch.randn(300, 400)
    small = packed({"weight": weight, "bias": torch.randn(5), "count": torch.arange(3)})
    assert small["weight"].dtype == torch.int8
    assert small["bias"].dtype == torch.float32
    back = unpacked(small)
    assert back.keys() == {"weight", "bias", "count"}
    assert (back["weight"] - weight).abs().max() <= weight.abs().amax(1).max() / 127 / 2 + 1e-6
    assert back["count"].tolist() == [0, 1, 2]


def test_bfloat16_keeps_the_statistics(folder: Path) -> None:
    model = load_folder(folder, dtype=torch.bfloat16).model
    assert model.predictor.head.weight.dtype == torch.bfloat16
    assert model.x_encoder.mean.dtype == torch.float32


@pytest.mark.parametrize("how", ["missing", "renamed", "transposed", "extra"])
def test_a_spoilt_tensor_is_refused_by_name(folder: Path, how: str) -> None:
    path = folder / "model.safetensors"
    tensors = load_file(path)
    name = "predictor.head.weight"
    weight = tensors.pop(name)
    if how == "renamed":
        tensors["predictor.haed.weight"] = weight
    elif how == "transposed":
        tensors[name] = weight.T.contiguous()
    elif how == "extra":
        tensors |= {name: weight, "predictor.more.weight": weight.clone()}
    save_file(tensors, path)
    with pytest.raises(WeightsError, match=r"predictor\.(head|haed|more)\.weight"):
        load_folder(folder)


@pytest.mark.parametrize("file", ["config.json", "model.safetensors", "query_tokenizer.json", "processor_config.json"])
def test_a_missing_file_is_named(folder: Path, file: str) -> None:
    (folder / file).unlink()
    with pytest.raises(WeightsError, match=file):
        load_folder(folder)


def test_a_truncated_file_is_refused(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(WeightsError, match="no complete safetensors file"):
        load_folder(folder)


def test_a_page_in_place_of_weights_is_refused(folder: Path) -> None:
    (folder / "model.safetensors").write_text("<html>not found</html>")
    with pytest.raises(WeightsError, match="no complete safetensors file"):
        load_folder(folder)


def test_an_unknown_setting_is_answered_with_the_nearest(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    config["model"]["predictor"]["sharde"] = 1
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(SettingsError, match=r"model\.predictor\.sharde.*shared"):
        load_folder(folder)


def test_no_folder_is_said_in_words(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="there is no model folder"):
        load_folder(tmp_path / "nothing")


def test_large_models_are_cut_into_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vljepa.weights.folder.SHARD_BYTES", 400_000)
    save_folder(tiny_bundle(), tmp_path / "model", card="", int8=False)
    assert len(list((tmp_path / "model").glob("model-*.safetensors"))) > 1
    torch.testing.assert_close(
        load_folder(tmp_path / "model").model.predictor.head.weight, tiny_bundle().model.predictor.head.weight
    )
