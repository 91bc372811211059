"""A model of published parts: tensors in their place, saved and opened, and clear words for what does not fit."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.weights import made_published as made

from vljepa.embedder import Embedder
from vljepa.models.predictor import PredictorSettings
from vljepa.models.vjepa2_1 import VJEPA21, VJEPA21Settings
from vljepa.models.vljepa import VLJEPASettings
from vljepa.types import Clip
from vljepa.weights.check import check_folder
from vljepa.weights.compose import compose
from vljepa.weights.convert import WeightsError
from vljepa.weights.folder import Bundle, load_folder, save_folder
from vljepa.weights.foreign import read_tensors
from vljepa.weights.published import llama_settings, x_encoder_settings, y_encoder_settings

VIDEO = {"video_processor_type": "VJEPA2VideoProcessor", "crop_size": 32}
PICTURE = {"image_processor_type": "CLIPImageProcessor", "crop_size": 32, "size": {"shortest_edge": 32}}


@dataclass(frozen=True, kw_only=True)
class Parts:
    """Folders of parts and the settings that say the same."""

    x_encoder: Path
    predictor: Path
    y_encoder: Path
    settings: VLJEPASettings

    def composed(self, **others: Any) -> Bundle:
        given = {name: getattr(self, name) for name in ("x_encoder", "predictor", "y_encoder")}
        return compose(others.pop("settings", self.settings), **given | {"seed": 1} | others)


def config_of(folder: Path) -> dict[str, Any]:
    values: dict[str, Any] = json.loads((folder / "config.json").read_text())
    return values


def parts(
    folder: Path, *, tower: Any, language_model: Any, text: Any, processor: dict[str, Any], shared: int = 24
) -> Parts:
    x_encoder = made.saved(tower, folder / "x", processor=processor)
    predictor = made.saved(language_model, folder / "llm")
    y_encoder = made.saved(text, folder / "y")
    seen = x_encoder_settings(config_of(x_encoder), name="x")
    settings = VLJEPASettings(
        x_encoder=seen,
        predictor=PredictorSettings(
            llama=llama_settings(config_of(predictor), (1, 2), name="llm"),
            visual_width=seen.token_width,
            shared=shared,
        ),
        y_encoder=y_encoder_settings(config_of(y_encoder), shared=shared, name="y"),
        vocab=300,
    )
    return Parts(x_encoder=x_encoder, predictor=predictor, y_encoder=y_encoder, settings=settings)


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Parts:
    """V-JEPA 2, Llama 3, EmbeddingGemma: the paper's three."""
    torch.manual_seed(0)
    llama = made.llama(rope_parameters=made.LLAMA3)
    return parts(
        tmp_path_factory.mktemp("videos"),
        tower=made.vjepa2(),
        language_model=llama,
        text=made.gemma3(),
        processor=VIDEO,
    )


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Parts:
    torch.manual_seed(0)
    return parts(
        tmp_path_factory.mktemp("pictures"),
        tower=made.clip(),
        language_model=made.llama(),
        text=made.mpnet(),
        processor=PICTURE,
        shared=20,
    )


def a_clip(frames: int = 3) -> Clip:
    return Clip(frames=torch.randint(0, 256, (frames, 40, 50, 3), dtype=torch.uint8), times=torch.arange(float(frames)))


@pytest.mark.parametrize("which", ["videos", "pictures"])
def test_a_composed_model_saved_and_opened_again_answers_the_same(
    which: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """Also what no file holds (places, rotary frequencies, Gemma's scale) is there again."""
    bundle = replace(request.getfixturevalue(which).composed(), untrained=())
    save_folder(bundle, tmp_path / "model", card="# Untrained\n", int8=False)
    fresh, opened = Embedder(bundle), Embedder(load_folder(tmp_path / "model"))
    clip, words = a_clip(), ["a red ball falls", "the cat opens the door"]
    torch.testing.assert_close(opened.predict_clips([clip], "what falls"), fresh.predict_clips([clip], "what falls"))
    torch.testing.assert_close(opened.texts(words), fresh.texts(words))
    assert opened.bundle.parts == ("x_encoder", "predictor", "y_encoder")
    assert check_folder(tmp_path / "model", device=torch.device("cpu")).ok
    with pytest.raises(ValueError, match="no Y-Decoder"):
        opened.decode(opened.texts(words))


@pytest.mark.parametrize(("which", "speaks"), [("videos", True), ("pictures", False)])
def test_a_part_that_was_never_trained_does_not_answer(
    which: str, speaks: bool, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """Of equal width the shared space is the sentence encoder's own, which is trained."""
    save_folder(request.getfixturevalue(which).composed(), tmp_path / "model", card="# Untrained\n")
    embedder = Embedder(load_folder(tmp_path / "model"))
    with pytest.raises(ValueError, match="predictor of this model was never trained"):
        embedder.predict_clips([a_clip()])
    if speaks:
        assert embedder.texts(["a red ball"]).shape == (1, 24)
    else:
        with pytest.raises(ValueError, match="y_encoder of this model was never trained"):
            embedder.texts(["a red ball"])


def test_files_of_vjepas_authors_give_the_same_model(videos: Parts, tmp_path: Path) -> None:
    """Without a folder beside it, preprocessing is V-JEPA 2's own for the settings' resolution."""
    torch.save(made.original_vjepa2(read_tensors(videos.x_encoder)), tmp_path / "vitl.pt")
    one, other = videos.composed(), videos.composed(x_encoder=tmp_path / "vitl.pt")
    weights = other.model.state_dict()
    assert all(torch.equal(weights[key], tensor) for key, tensor in one.model.state_dict().items())
    assert one.processor.settings == other.processor.settings
    with pytest.raises(WeightsError, match=r"unused: .*blocks\.0\.extra"):
        content = made.original_vjepa2(read_tensors(videos.x_encoder))
        content["target_encoder"]["module.backbone.blocks.0.extra"] = torch.zeros(1)
        torch.save(content, tmp_path / "more.pt")
        videos.composed(x_encoder=tmp_path / "more.pt")


def test_vjepa_2_1_is_read_from_its_own_file(videos: Parts, tmp_path: Path) -> None:
    seen = VJEPA21Settings(hidden=48, intermediate=96, layers=2, heads=2, resolution=32)
    published = made.scattered(VJEPA21(seen)).state_dict()
    wrapped = {f"module.{key}": tensor for key, tensor in published.items()}
    torch.save({"ema_encoder": wrapped | {"module.pos_embed": torch.zeros(1)}}, tmp_path / "vitb.pt")
    settings = replace(videos.settings, x_encoder=seen)
    model = videos.composed(settings=settings, x_encoder=tmp_path / "vitb.pt").model
    assert all(torch.equal(model.x_encoder.network.state_dict()[key], tensor) for key, tensor in published.items())
    with pytest.raises(WeightsError, match=r"holds V-JEPA 2\.1, and the settings say V-JEPA 2:"):
        videos.composed(x_encoder=tmp_path / "vitb.pt")


def test_the_last_layers_are_taken_by_their_numbers(videos: Parts) -> None:
    model = videos.composed().model
    theirs = read_tensors(videos.predictor)
    for place, layer in enumerate((1, 2)):
        ours = model.predictor.layers.layers[place].mlp.up_proj.weight
        assert torch.equal(ours, theirs[f"model.layers.{layer}.mlp.up_proj.weight"])
    assert torch.equal(model.token_table.weight, theirs["model.embed_tokens.weight"])


def test_what_is_new_is_drawn_from_the_seed_and_the_rest_is_not(videos: Parts) -> None:
    one, same, other = (videos.composed(seed=seed).model.state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(one[key], same[key]) for key in one)
    drawn = {key for key in one if not torch.equal(one[key], other[key])}
    parts = ("visual_projection", "head")
    assert drawn == {f"predictor.{part}.{kind}" for part in parts for kind in ("weight", "bias")}
    assert torch.equal(one["predictor.query_projection.weight"], torch.eye(32))
    assert torch.equal(one["y_encoder.head.weight"], torch.eye(24))  # as wide as the sentence encoder's own space


def test_tokens_stand_where_the_published_parts_put_them(videos: Parts) -> None:
    bundle = videos.composed(prompt="a ")
    assert bundle.query_tokenizer.ids("") == [config_of(videos.predictor)["bos_token_id"]]
    assert bundle.target_tokenizer.ids("cat") == bundle.decoder_tokenizer.ids("a cat")[:-1]
    assert bundle.decoder_tokenizer.ids("cat")[-1] == config_of(videos.predictor)["eos_token_id"]
    assert bundle.processor.settings.resolution == 32


def test_other_settings_than_the_folders_are_refused(videos: Parts, pictures: Parts) -> None:
    settings = videos.settings
    larger = replace(settings, x_encoder=replace(settings.x_encoder, resolution=48))
    with pytest.raises(WeightsError, match="resolution 32, not 48"):
        videos.composed(settings=larger)
    slower = replace(settings.predictor.llama, rope_scaling=None)
    with pytest.raises(WeightsError, match=r"rope_scaling"):
        videos.composed(settings=replace(settings, predictor=replace(settings.predictor, llama=slower)))
    with pytest.raises(WeightsError, match="kind mpnet, not gemma3"):
        videos.composed(y_encoder=pictures.y_encoder)
    with pytest.raises(WeightsError, match="kind clip, not vjepa2"):
        videos.composed(x_encoder=pictures.x_encoder)
    with pytest.raises(WeightsError, match="'vjepa2' is no Llama"):
        videos.composed(predictor=videos.x_encoder)


def test_gemma_is_never_opened_in_float16(videos: Parts, tmp_path: Path) -> None:
    save_folder(videos.composed(), tmp_path / "model", card="# Untrained\n")
    with pytest.raises(ValueError, match="overflows in float16"):
        load_folder(tmp_path / "model", dtype=torch.float16)
    load_folder(tmp_path / "model", dtype=torch.float16, parts=("x_encoder",))


def test_frames_of_another_size_are_refused(videos: Parts, pictures: Parts) -> None:
    for some in (videos, pictures):
        with pytest.raises(ValueError, match=r"frames of 48 x 48 pixels came to a \w+ encoder of 32"):
            some.composed().model.x_encoder(torch.zeros(1, 2, 3, 48, 48))
