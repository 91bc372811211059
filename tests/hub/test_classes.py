"""Hugging Face's door to our folders: the same numbers as our own, saved and opened again, as strict as ever."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tests.conftest import published_bundle, tiny_bundle
from transformers import AutoConfig, AutoModel, AutoProcessor

import vljepa
from vljepa.config import SettingsError
from vljepa.embedder import Embedder, shipped_folder
from vljepa.hub import VLJEPAConfig, VLJEPAModel, VLJEPAProcessor
from vljepa.hub.places import places_of, spread
from vljepa.tasks.candidates import Ranking
from vljepa.tasks.classify import classify
from vljepa.weights.calibration import Calibration, Pair
from vljepa.weights.check import check_folder
from vljepa.weights.convert import WeightsError
from vljepa.weights.folder import load_folder, save_folder
from vljepa.weights.left_out import PartLeftOutError
from vljepa.weights.untrained import UntrainedPartError

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def model(tiny_folder: Path) -> VLJEPAModel:
    return AutoModel.from_pretrained(tiny_folder, dtype=torch.float32)


@pytest.fixture(scope="module")
def processor(tiny_folder: Path) -> VLJEPAProcessor:
    return AutoProcessor.from_pretrained(tiny_folder)


def test_the_auto_classes_open_a_folder(model: VLJEPAModel, processor: VLJEPAProcessor, tiny_folder: Path) -> None:
    assert type(model) is VLJEPAModel and type(processor) is VLJEPAProcessor
    config = AutoConfig.from_pretrained(tiny_folder)
    assert type(config) is VLJEPAConfig and config.settings.name == "tiny"
    assert not model.training


def test_without_transformers_it_says_what_to_install() -> None:
    code = "import sys; sys.modules['transformers'] = None; import vljepa.hub"
    environment = os.environ | {"PYTHONPATH": str(Path(vljepa.__file__).parents[1])}
    finished = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False
    )
    assert finished.stderr.strip().endswith("vljepa.hub needs transformers: pip install 'vljepa[hub]'")


def test_numbers_are_those_of_our_own(
    model: VLJEPAModel, processor: VLJEPAProcessor, tiny_embedder: Embedder, video: Path
) -> None:
    texts, query = ["a red ball", "the cat"], "what colour is it"
    with torch.no_grad():
        found = model(**processor(videos=[video, video], text=texts, query=query))
        plain = model(**processor(videos=video))
    clip = tiny_embedder.clip(video)
    torch.testing.assert_close(found.prediction, tiny_embedder.predict_clips([clip, clip], query), atol=1e-6, rtol=0)
    torch.testing.assert_close(found.target, tiny_embedder.texts(texts), atol=1e-6, rtol=0)
    torch.testing.assert_close(plain.prediction, tiny_embedder.predict_clips([clip]), atol=1e-6, rtol=0)
    assert plain.target is None and plain.logits is None
    said = [rows[0] for rows in model.decode(plain.prediction, max_tokens=8)]
    assert said == [tiny_embedder.bundle.model.decode(plain.prediction, max_tokens=8)[0][0]]
    assert processor.batch_decode(said) == [tiny_embedder.bundle.decoder_tokenizer.text(said[0])]
    ranking: Ranking = classify(tiny_embedder, [clip], labels=texts, query=query)[0]
    cosines = {score.label: score.cosine for score in ranking.scores}
    scale = tiny_embedder.calibration.clip_asked.scale
    assert found.logits[0].tolist() == pytest.approx([scale * cosines[text] for text in texts], abs=1e-4)


def test_logits_have_the_scale_of_what_is_seen_and_asked(tmp_path: Path, picture: Path, video: Path) -> None:
    scales = {"picture": 2.0, "picture_asked": 3.0, "clip": 4.0, "clip_asked": 5.0}
    calibration = Calibration(**{case: Pair(scale=scale) for case, scale in scales.items()})
    save_folder(replace(tiny_bundle(), calibration=calibration), tmp_path / "it", card="", int8=False)
    opened = AutoModel.from_pretrained(tmp_path / "it", dtype=torch.float32)
    processor = AutoProcessor.from_pretrained(tmp_path / "it")
    for case, scale in scales.items():
        seen = {"images": picture} if case.startswith("picture") else {"videos": video}
        query = {"query": "what is it"} if case.endswith("asked") else {}
        with torch.no_grad():
            found = opened(**processor(text=["a red ball"], **seen, **query))
        torch.testing.assert_close(found.logits, scale * (found.prediction @ found.target.T), msg=case)


def test_the_shipped_int8_folder_opens_too(picture: Path) -> None:
    opened = AutoModel.from_pretrained(shipped_folder(), dtype=torch.float32)
    processor = AutoProcessor.from_pretrained(shipped_folder())
    embedder = Embedder(load_folder(shipped_folder()), exact=True)
    with torch.no_grad():
        found = opened(**processor(images=[picture], text=["a red ball"]))
    expected = embedder.predict_clips([embedder.clip(picture)])
    torch.testing.assert_close(found.prediction, expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(found.target, embedder.texts(["a red ball"]), atol=1e-5, rtol=0)


def test_the_papers_kinds_of_parts_open_too(tmp_path: Path, video: Path) -> None:
    bundle = published_bundle()
    save_folder(bundle, tmp_path / "published", card="", int8=False)
    embedder = Embedder(bundle)
    opened = AutoModel.from_pretrained(tmp_path / "published", dtype=torch.float32)
    processor = AutoProcessor.from_pretrained(tmp_path / "published")
    with torch.no_grad():
        found = opened(**processor(videos=video, text=["a red ball"]))
    expected = embedder.predict_clips([embedder.clip(video)])
    torch.testing.assert_close(found.prediction, expected, atol=1e-6, rtol=0)
    torch.testing.assert_close(found.target, embedder.texts(["a red ball"]), atol=1e-6, rtol=0)
    opened.save_pretrained(tmp_path / "again")
    assert check_folder(tmp_path / "again", device=CPU).ok
    with pytest.raises(ValueError, match="has no Y-Decoder"):
        opened.decode(found.prediction)
    with pytest.raises(ValueError, match="overflows in float16"):
        AutoModel.from_pretrained(tmp_path / "published", dtype=torch.float16)


def test_pictures_are_clips_of_one_frame(
    model: VLJEPAModel, processor: VLJEPAProcessor, tiny_embedder: Embedder, picture: Path
) -> None:
    pixels = np.asarray(Image.open(picture).convert("RGB"))
    with torch.no_grad():
        same = (picture, pixels, Image.fromarray(pixels))
        found = [model(**processor(images=image)).prediction for image in same]
        as_video = model.get_video_features(processor(videos=pixels[None]).pixel_values_videos)
    for other in (*found, as_video):
        torch.testing.assert_close(other, tiny_embedder.predict_clips([tiny_embedder.clip(picture)]), atol=1e-5, rtol=0)


def test_saved_in_shards_and_opened_by_everybody(model: VLJEPAModel, tiny_folder: Path, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path / "saved", max_shard_size="300KB")
    names = {path.name for path in (tmp_path / "saved").iterdir()}
    assert "model.safetensors.index.json" in names and sum(name.endswith(".safetensors") for name in names) > 1
    again, ours = AutoModel.from_pretrained(tmp_path / "saved", dtype="float32"), load_folder(tmp_path / "saved")
    before = model.network.state_dict()
    for state in (again.network.state_dict(), ours.model.state_dict()):
        assert state.keys() == before.keys()
        assert all(torch.equal(state[name], before[name]) for name in before)
    assert check_folder(tmp_path / "saved", device=CPU).ok
    assert (tmp_path / "saved" / "README.md").read_text() == (tiny_folder / "README.md").read_text()
    same = ("config.json", "processor_config.json", "query_tokenizer.json", "target_tokenizer.json")
    for name in same:
        assert json.loads((tmp_path / "saved" / name).read_text()) == json.loads((tiny_folder / name).read_text())


def test_saved_over_the_folder_that_it_was_opened_from(tiny_folder: Path, tmp_path: Path) -> None:
    """Weights are views of files: writing into them would change, or end, the model that is being saved."""
    folder = shutil.copytree(tiny_folder, tmp_path / "model")
    opened = AutoModel.from_pretrained(folder, dtype=torch.float32)
    opened.save_pretrained(folder, max_shard_size="300KB")
    opened.save_pretrained(folder)
    assert sorted(path.name for path in folder.glob("model*")) == ["model.safetensors"]
    before = tiny_bundle().model.state_dict()
    assert all(torch.equal(value, before[name]) for name, value in load_folder(folder).model.state_dict().items())


def test_the_processor_saves_what_it_read(processor: VLJEPAProcessor, tiny_folder: Path, tmp_path: Path) -> None:
    processor.save_pretrained(tmp_path)
    for path in tmp_path.iterdir():
        assert path.read_text() == (tiny_folder / path.name).read_text()
    assert len(list(tmp_path.iterdir())) == 3
    assert "resolution=32" in repr(processor)


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_both_kernels_of_attention_give_the_same(
    model: VLJEPAModel, processor: VLJEPAProcessor, tiny_folder: Path, video: Path, attention: str
) -> None:
    other = AutoModel.from_pretrained(tiny_folder, dtype=torch.float32, attn_implementation=attention)
    assert other.config._attn_implementation == attention
    given = processor(videos=video, text="a ball")
    with torch.no_grad():
        torch.testing.assert_close(other(**given).logits, model(**given).logits, atol=1e-5, rtol=0)


def test_eager_is_the_plain_kernel_alone(model: VLJEPAModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model.config, "_attn_implementation_internal", "eager")
    with model._attention():
        assert torch.backends.cuda.math_sdp_enabled() and not torch.backends.cuda.flash_sdp_enabled()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"attn_implementation": "flash_attention_2"}, "Flash ?Attention"),
        ({"dtype": "float17"}, "float17"),
        ({"load_in_8bit": True}, "load_in_8bit"),
        ({"device_map": {"x_encodre": "cpu"}}, "x_encodre"),
        ({"device_map": {"x_encoder": "cpu"}}, "predictor no device"),
    ],
)
def test_options_that_mean_nothing_here_are_refused(tiny_folder: Path, options: Any, sentence: str) -> None:
    with pytest.raises((ValueError, ImportError), match=sentence):
        VLJEPAModel.from_pretrained(tiny_folder, **options)


def test_bfloat16_and_a_device_for_each_part(tiny_folder: Path) -> None:
    opened = AutoModel.from_pretrained(
        tiny_folder, dtype=torch.bfloat16, device_map={"x_encoder": "cpu", "": torch.device("cpu")}
    )
    assert opened.dtype == torch.bfloat16
    assert opened.network.x_encoder.mean.dtype == torch.float32
    assert places_of(tiny_folder, "auto", dtype=None)["predictor"].type in ("cpu", "cuda")


def test_parts_are_spread_over_what_is_free() -> None:
    sizes = {"x_encoder": 6, "predictor": 4, "token_table": 2, "y_encoder": 3, "y_decoder": 9}
    first, second = torch.device("cuda", 0), torch.device("cuda", 1)
    assert spread(sizes, {first: 10, second: 7}) == {
        "x_encoder": first, "predictor": second, "token_table": second, "y_encoder": first, "y_decoder": CPU,
    }  # fmt: skip
    assert set(spread(sizes, {}).values()) == {CPU}


def test_texts_alone_need_one_part(tiny_folder: Path, tiny_embedder: Embedder, tmp_path: Path) -> None:
    opened = VLJEPAModel.from_pretrained(tiny_folder, dtype=torch.float32, parts=("y_encoder",))
    tokens = tiny_embedder.bundle.target_tokenizer(["a red ball"])
    with torch.no_grad():
        found = opened.get_text_features(tokens.ids, tokens.mask)
    torch.testing.assert_close(found, tiny_embedder.texts(["a red ball"]), atol=1e-6, rtol=0)
    with pytest.raises(PartLeftOutError, match="x_encoder was left out"):
        opened.get_image_features(torch.zeros(1, 3, 32, 32))
    with pytest.raises(ValueError, match="left out"):
        opened.save_pretrained(tmp_path / "half")
    assert not (tmp_path / "half").exists()


def test_unknown_settings_and_folders_are_told(tiny_folder: Path, tmp_path: Path) -> None:
    values = json.loads((tiny_folder / "config.json").read_text())
    with pytest.raises(SettingsError, match="unknown setting calibratoin; did you mean calibration"):
        VLJEPAConfig(**values, calibratoin={})
    with pytest.raises(WeightsError, match="there is no model folder"):
        VLJEPAModel.from_pretrained(tmp_path / "no" / "such" / "folder")


def test_untrained_parts_answer_only_with_a_warning(tmp_path: Path, processor: VLJEPAProcessor, video: Path) -> None:
    """As everywhere else; what is trained answers, and a folder that is saved again says the same."""
    bundle = replace(tiny_bundle(), untrained=("predictor", "y_decoder"))
    save_folder(bundle, tmp_path / "begun", card="", int8=False)
    model = AutoModel.from_pretrained(tmp_path / "begun", dtype=torch.float32)
    seen, texts = processor(videos=video), processor(text=["a red ball"])
    asked = (lambda opened: opened(**seen), lambda opened: opened.decode(torch.ones(1, 16), max_tokens=2))
    with torch.no_grad():
        for ask, part in zip(asked, bundle.untrained, strict=True):
            with pytest.raises(UntrainedPartError, match=f"the part {part} of this model was never trained"):
                ask(model)
        assert model(**texts).target.shape == (1, 16)
        with pytest.warns(UserWarning, match="nobody has trained predictor, y_decoder"):
            model = AutoModel.from_pretrained(tmp_path / "begun", dtype=torch.float32, allow_untrained=True)
        for ask in asked:
            ask(model)
    model.save_pretrained(tmp_path / "again")
    assert load_folder(tmp_path / "again").untrained == bundle.untrained


def test_a_model_from_a_configuration_is_random_and_savable(tiny_folder: Path, tmp_path: Path) -> None:
    config = AutoConfig.from_pretrained(tiny_folder)
    made = VLJEPAModel(config)
    assert config.settings.untrained == ()
    made = AutoModel.from_config(config)
    with pytest.raises(UntrainedPartError, match="the part y_encoder"):
        made.get_text_features(torch.ones(1, 2, dtype=torch.int64))
    assert made.network.predictor.head.weight.std() > 0
    made.save_pretrained(tmp_path)
    assert {"config.json", "model.safetensors", "README.md"} == {path.name for path in tmp_path.iterdir()}
    made.companions = load_folder(tiny_folder)
    made.save_pretrained(tmp_path)
    assert torch.equal(load_folder(tmp_path).model.predictor.head.weight, made.network.predictor.head.weight)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        ({}, "nothing to process"),
        ({"videos": np.zeros((2, 8, 8, 3), np.float32)}, "8 bit"),
        ({"images": np.zeros((8, 8), np.uint8)}, r"a picture is \(height"),
        ({"videos": [np.zeros((n, 8, 8, 3), np.uint8) for n in (2, 3)]}, r"\[2, 3\] frames"),
        ({"text": "a", "return_tensors": "np"}, "return_tensors"),
        ({"images": b"x", "videos": b"x"}, "not a picture|damaged|cannot"),
    ],
)
def test_what_is_no_medium_is_told(processor: VLJEPAProcessor, call: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        processor(**call)


def test_forward_needs_something(model: VLJEPAModel) -> None:
    with pytest.raises(ValueError, match="nothing to look at"):
        model()
    with pytest.raises(ValueError, match="not both"):
        model(torch.zeros(1, 2, 3, 32, 32), torch.zeros(1, 3, 32, 32))
