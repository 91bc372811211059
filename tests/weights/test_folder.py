"""A model folder comes back as it was saved, and every way of spoiling it is refused by name."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.conftest import published_bundle, tiny_bundle

import vljepa
from vljepa.cli.main import main
from vljepa.config import SettingsError
from vljepa.embedder import Embedder
from vljepa.types import Clip
from vljepa.weights.check import check_folder
from vljepa.weights.convert import WeightsError
from vljepa.weights.folder import Bundle, load_folder, opening_dtype, save_folder
from vljepa.weights.left_out import PartLeftOutError
from vljepa.weights.quantize import packed
from vljepa.weights.stored import read, stored_tensors


@pytest.fixture
def folder(tiny_folder: Path, tmp_path: Path) -> Path:
    """A copy that may be spoilt."""
    return Path(shutil.copytree(tiny_folder, tmp_path / "model"))


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


def test_int8_is_near_and_a_quarter_of_the_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:

    weight = torch.randn(300, 400)
    small = packed({"weight": weight, "bias": torch.randn(5), "count": torch.arange(3)})
    assert small["weight"].dtype == torch.int8
    assert small["bias"].dtype == torch.float32
    save_file(small, tmp_path / "model.safetensors")
    stored = stored_tensors(tmp_path)
    for slab in (1, 32 << 20):  # a row at a time, and all at once
        monkeypatch.setattr("vljepa.weights.stored.SLAB_BYTES", slab)
        back = read(stored, "weight", dtype=torch.float32)
        assert (back - weight).abs().max() <= weight.abs().amax(1).max() / 127 / 2 + 1e-6
    assert read(stored, "count", dtype=torch.int64).tolist() == [0, 1, 2]


def test_the_line_below_which_captions_are_unsure_is_kept(folder: Path) -> None:
    bundle = tiny_bundle()
    calibration = replace(bundle.calibration, unsure=0.3)
    save_folder(replace(bundle, calibration=calibration), folder, card="", int8=False)
    found = load_folder(folder).calibration
    assert found == calibration
    assert found.is_unsure(0.29) and not found.is_unsure(0.3)
    values = json.loads((folder / "config.json").read_text())
    del values["calibration"]["unsure"]  # as folders were before there was one
    (folder / "config.json").write_text(json.dumps(values))
    assert load_folder(folder).calibration.unsure is None
    assert not load_folder(folder).calibration.is_unsure(-1.0)


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


@pytest.mark.parametrize(
    ("name", "spoilt", "sentence"),
    [
        ("predictor.head.weight", lambda weight: weight.long(), "holds I64 numbers, the model needs torch.float32"),
        ("predictor.head.weight", lambda weight: weight.double(), "holds F64 numbers"),
        ("predictor.head.weight", lambda weight: weight.to(torch.int8), "its scales .*int8_scale are missing"),
        ("y_decoder.vocabulary", lambda numbers: numbers.float(), "holds F32 numbers, the model needs torch.int64"),
        ("y_decoder.vocabulary", lambda numbers: numbers[:-1], r"is \(299,\), the model needs \(300,\)"),
    ],
)
def test_a_tensor_of_another_kind_is_refused_by_name(folder: Path, name: str, spoilt: Any, sentence: str) -> None:
    tensors = load_file(folder / "model.safetensors")
    save_file(tensors | {name: spoilt(tensors[name])}, folder / "model.safetensors")
    with pytest.raises(WeightsError, match=f"tensor {name} .*{sentence}"):
        load_folder(folder)


@pytest.mark.parametrize("scale", [torch.ones(15), torch.ones(16, dtype=torch.bfloat16)])
def test_scales_must_fit_their_matrix(folder: Path, scale: torch.Tensor) -> None:
    tensors = load_file(folder / "model.safetensors")
    name = "predictor.head.weight"
    tensors |= {name: tensors[name].to(torch.int8), f"{name}.int8_scale": scale}
    save_file(tensors, folder / "model.safetensors")
    with pytest.raises(WeightsError, match=r"predictor.head.weight.int8_scale .* one F32 a row is needed"):
        load_folder(folder)
    tensors[name] = tensors[name].float()
    save_file(tensors, folder / "model.safetensors")
    with pytest.raises(WeightsError, match=r"1 unused: predictor.head.weight.int8_scale"):
        load_folder(folder)


def test_an_index_must_be_true(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vljepa.weights.folder.SHARD_BYTES", 400_000)
    save_folder(tiny_bundle(), tmp_path / "model", card="", int8=False)
    index = tmp_path / "model" / "model.safetensors.index.json"
    values = json.loads(index.read_text())
    name, last = "x_encoder.network.stem.weight", sorted(set(values["weight_map"].values()))[-1]
    moved = values | {"weight_map": values["weight_map"] | {name: last}}
    index.write_text(json.dumps(moved))
    with pytest.raises(WeightsError, match=r"does not say that .* holds tensor x_encoder.network.stem"):
        load_folder(tmp_path / "model")
    index.write_text(json.dumps(values | {"weight_map": values["weight_map"] | {"more": last}}))
    with pytest.raises(WeightsError, match="names tensors that its files do not hold: more"):
        load_folder(tmp_path / "model")
    index.write_text(json.dumps(values))
    (tmp_path / "model" / last).unlink()
    with pytest.raises(WeightsError, match=f"{last} is missing"):
        load_folder(tmp_path / "model")


def test_parts_may_be_left_out(folder: Path) -> None:
    whole, texts = load_folder(folder).model, load_folder(folder, parts=("y_encoder",)).model
    tokens = tiny_bundle().target_tokenizer(["a red ball"])
    with torch.no_grad():
        assert torch.equal(texts.encode_text(tokens), whole.encode_text(tokens))
    held = {name.partition(".")[0] for name in texts.state_dict()}
    assert held == {"y_encoder"}
    for ask in (
        lambda: texts.predict(torch.zeros(1, 4, 8), tokens),
        lambda: texts.decode(torch.ones(1, 16)),
        lambda: texts.x_encoder(torch.zeros(1, 2, 3, 32, 32)),
        lambda: texts.x_encoder.network,
    ):
        with pytest.raises(PartLeftOutError, match="was left out when this model was opened: open it with that part"):
            ask()
    speaking = load_folder(folder, parts=("y_decoder",)).model
    assert speaking.decode(torch.ones(1, 16)) == whole.decode(torch.ones(1, 16))
    with pytest.raises(ValueError, match=r"parts \['y-encoder'\] cannot be opened: choose some of x_encoder"):
        load_folder(folder, parts=("y-encoder",))


def test_parts_that_are_left_out_must_still_be_right(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    del tensors["x_encoder.network.head.weight"]
    save_file(tensors, folder / "model.safetensors")
    with pytest.raises(WeightsError, match=r"1 missing: x_encoder\.network\.head\.weight"):
        load_folder(folder, parts=("y_encoder",))


def test_texts_alone_are_embedded_without_the_other_parts(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    opened: list[Any] = []
    monkeypatch.setattr(
        "vljepa.embedder.load_folder", lambda *a, **k: opened.append(k["parts"]) or load_folder(*a, **k)
    )
    assert main(["embed", "--text", "a red ball", "--model", str(folder), "--json"]) == 0
    assert opened == [("y_encoder",)]
    assert len(json.loads(capsys.readouterr().out)["embeddings"][0]["vector"]) == 16
    model = vljepa.load(folder, parts=("y_encoder",))
    with pytest.raises(PartLeftOutError, match="x_encoder was left out"):
        model.embed(Clip(frames=torch.zeros(1, 32, 32, 3, dtype=torch.uint8), times=torch.zeros(1)))


def test_big_models_take_bfloat16_where_nobody_asks(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cpu = torch.device("cpu")
    monkeypatch.setattr("vljepa.weights.folder.compute_dtype", lambda device: torch.float32)
    assert opening_dtype(folder, cpu) == torch.float32
    monkeypatch.setattr("vljepa.weights.folder.BIG", 1000)
    assert opening_dtype(folder, cpu) == torch.bfloat16
    assert Embedder.from_folder(folder, device="cpu").bundle.model.predictor.head.weight.dtype == torch.bfloat16
    assert vljepa.load(folder, dtype=torch.float32).embedder.bundle.model.predictor.head.weight.dtype == torch.float32


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Bundle, Path]:
    """A minute model of the paper's kinds of parts, and the folder that it was saved in."""
    bundle, folder = published_bundle(), tmp_path_factory.mktemp("models") / "published"
    save_folder(bundle, folder, card="", int8=False)
    return bundle, folder


@pytest.fixture
def published(saved: tuple[Bundle, Path]) -> Path:
    """Its folder."""
    return saved[1]


def test_gemma_never_takes_float16(published: Path) -> None:
    with pytest.raises(ValueError, match=r"EmbeddingGemma .* overflows in float16: open it in bfloat16 or float32"):
        load_folder(published, dtype=torch.float16)
    seeing = load_folder(published, dtype=torch.float16, parts=("x_encoder", "predictor"))
    assert seeing.model.predictor.head.weight.dtype == torch.float16


def test_the_papers_kinds_of_parts_come_back_as_they_were(saved: tuple[Bundle, Path], video: Path) -> None:
    bundle, published = saved
    before, after = Embedder(bundle), Embedder.from_folder(published, dtype=torch.float32, device="cpu")
    clip = before.clip(video)
    same = {"atol": 1e-6, "rtol": 0}
    torch.testing.assert_close(
        after.predict_clips([clip], "what is it"), before.predict_clips([clip], "what is it"), **same
    )
    torch.testing.assert_close(after.texts(["a red ball"]), before.texts(["a red ball"]), **same)
    assert check_folder(published, device=torch.device("cpu")).ok
    near = Embedder.from_folder(published, dtype=torch.bfloat16, device="cpu")
    assert float((near.texts(["a red ball"]) * before.texts(["a red ball"])).sum()) > 0.99


def test_preprocessing_for_another_resolution_is_refused(published: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(published, tmp_path / "model"))
    values = json.loads((folder / "processor_config.json").read_text())
    (folder / "processor_config.json").write_text(json.dumps(values | {"resolution": 48}))
    with pytest.raises(WeightsError, match="its processor makes frames of 48 pixels, and its X-Encoder reads 32"):
        load_folder(folder)


def test_another_model_is_told_by_its_type(folder: Path) -> None:
    (folder / "config.json").write_text(json.dumps({"model_type": "vjepa2", "hidden_size": 1024}))
    with pytest.raises(WeightsError, match="of type 'vjepa2', not vljepa"):
        load_folder(folder)
    (folder / "config.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(WeightsError, match="is not valid JSON"):
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
