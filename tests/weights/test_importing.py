"""Importers: published layouts become model folders that compute the same; what is damaged is refused by name."""

import random
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.weights import made_published
from tests.weights.made_whole import UNUSED, Source, sources, vjepa2_1
from torch import Tensor
from torch.nn import functional

from vljepa.data.packages import sha256_of
from vljepa.models.perception_encoder import PerceptionEncoder, PerceptionSettings
from vljepa.models.vjepa2_1 import VJEPA21
from vljepa.types import Tokens
from vljepa.weights.convert import WeightsError
from vljepa.weights.exporting import export_weights
from vljepa.weights.folder import Bundle, load_folder
from vljepa.weights.importing import composed, find_sources, import_weights, whole

NAMES = (
    *("vjepa2", "vjepa2 original", "vjepa2.1", "clip", "siglip", "dinov2", "perception core", "perception lang"),
    *("llama", "qwen3", "gemma3", "bert", "mpnet", "open-vljepa", "saivishwak"),
)
WRAPPERS = re.compile(r"^(module\.|backbone\.|visual\.)*")
MUTATIONS_EACH = 16


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Source]:
    return sources(tmp_path_factory.mktemp("sources"))


def read(source: Source) -> dict[str, Tensor]:
    if source.file.suffix == ".safetensors":
        return load_file(source.file)
    content = torch.load(source.file, weights_only=True)
    tensors: dict[str, Tensor] = content[source.under] if source.under else content
    return tensors


def write(source: Source, tensors: dict[str, Tensor]) -> None:
    tensors = {key: tensor.contiguous() for key, tensor in tensors.items()}
    if source.file.suffix == ".safetensors":
        save_file(tensors, source.file, metadata={"format": "pt"})
        return
    content = torch.load(source.file, weights_only=True)
    torch.save(content | {source.under: tensors} if source.under else tensors, source.file)


def deleted(tensors: dict[str, Tensor], key: str) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in tensors.items() if name != key}


def renamed(tensors: dict[str, Tensor], key: str) -> dict[str, Tensor]:
    return deleted(tensors, key) | {f"{key}s": tensors[key]}


def added(tensors: dict[str, Tensor], key: str) -> dict[str, Tensor]:
    """One tensor more that nobody knows."""
    return tensors | {f"{key}s": tensors[key].clone()}


def transposed(tensors: dict[str, Tensor], key: str) -> dict[str, Tensor]:
    """The first two neighbouring dimensions that differ; what is square looks the same and cannot be told."""
    shape = tensors[key].shape
    place = next(place for place in range(len(shape) - 1) if shape[place] != shape[place + 1])
    return tensors | {key: tensors[key].transpose(place, place + 1)}


def retyped(tensors: dict[str, Tensor], key: str) -> dict[str, Tensor]:
    return tensors | {key: tensors[key].to(torch.int32)}


Mutation = Callable[[dict[str, Tensor], str], dict[str, Tensor]]


def mutations(source: Source, tensors: dict[str, Tensor], seed: int) -> list[tuple[Mutation, str]]:
    """Some of all that can happen to the tensors that have a place in our model."""
    every: list[tuple[Mutation, str]] = []
    for key, tensor in tensors.items():
        if not key.startswith(source.unused or "-"):
            every += [(deleted, key), (renamed, key), (added, key), (retyped, key)]
            every += [(transposed, key)] * (tensor.ndim > 1 and len(set(tensor.shape)) > 1)
    return random.Random(seed).sample(every, MUTATIONS_EACH)


@pytest.mark.parametrize("name", NAMES)
def test_a_damaged_checkpoint_is_refused_by_the_damaged_tensors_name(
    made: dict[str, Source], tmp_path: Path, name: str
) -> None:
    source = made[name]
    content, tensors = source.file.read_bytes(), read(source)
    tensors = {key: tensor.clone() for key, tensor in tensors.items()}
    try:
        for mutate, key in mutations(source, tensors, NAMES.index(name)):
            write(source, mutate(tensors, key))
            with pytest.raises(WeightsError, match=re.escape(WRAPPERS.sub("", key))):
                import_weights(source.settings, tmp_path / "model")
            assert not (tmp_path / "model").exists()
    finally:
        source.file.write_bytes(content)


def test_layers_that_are_not_taken_have_to_be_whole_too(made: dict[str, Source]) -> None:
    """The first of three layers becomes no part of a model without a Y-Decoder, and is looked at all the same."""
    source, key = made["llama"], "model.layers.0.mlp.up_proj.weight"
    content, settings = source.file.read_bytes(), replace(source.settings, decoder="none")
    tensors = {name: tensor.clone() for name, tensor in read(source).items()}
    try:
        for mutate in (deleted, renamed, added, transposed, retyped):
            write(source, mutate(tensors, key))
            with pytest.raises(WeightsError, match=re.escape(key)):
                composed(settings, find_sources(settings))
    finally:
        source.file.write_bytes(content)


def test_there_are_at_least_two_hundred_mutations() -> None:
    assert len(NAMES) * MUTATIONS_EACH >= 200


def imported(source: Source, into: Path) -> Bundle:
    """Saved, and opened again."""
    import_weights(source.settings, into)
    return load_folder(into)


def same_again(one: Source, model: dict[str, Tensor], **others: str) -> bool:
    """Whether a model of other parts has the same tensors."""
    settings = replace(one.settings, **others)
    again = composed(settings, find_sources(settings)).model.state_dict()
    return model.keys() == again.keys() and all(torch.equal(again[key], tensor) for key, tensor in model.items())


def some_tokens() -> Tokens:
    mask = torch.tensor([[True] * 7, [True] * 4 + [False] * 3])
    return Tokens(ids=torch.randint(4, 300, mask.shape).where(mask, 0), mask=mask)


@pytest.mark.parametrize("name", ["open-vljepa", "saivishwak"])
@torch.no_grad()
def test_a_whole_model_predicts_what_its_parts_predict_by_hand(
    made: dict[str, Source], tmp_path: Path, name: str
) -> None:
    """Against transformers' own networks: vision first, then the query, both ways, the mean of what is no padding."""
    model = imported(made[name], tmp_path / "model").model
    torch.manual_seed(0)
    vision, llama, gemma = (
        made_published.vjepa2(),
        made_published.llama(rope_parameters=made_published.LLAMA3).model,
        made_published.gemma3(),
    )
    held = read(made[name])
    pixels, query = torch.randn(2, 4, 3, 32, 32), some_tokens()
    seen = vision(pixels, skip_predictor=True).last_hidden_state
    if name == "open-vljepa":
        names, text = ["predictor.vis_proj", "predictor.out_proj"], "y_encoder.projector"
    else:
        seen = seen @ held["x_encoder.projection.weight"].T + held["x_encoder.projection.bias"]
        names, text = ["predictor.vision_projection", "predictor.output_projection"], "y_encoder.projection"
    (into, bias), (out, last) = [(held[f"{each}.weight"], held[f"{each}.bias"]) for each in names]
    tokens = torch.cat([seen @ into.T + bias, llama.embed_tokens(query.ids)], dim=1)
    llama.layers = llama.layers[1:]
    expected = []
    for row, real in zip(tokens, query.mask, strict=True):
        kept = row[None, : seen.shape[1] + int(real.sum())]  # without padding none can be seen
        every = torch.ones(1, 1, kept.shape[1], kept.shape[1], dtype=torch.bool)
        states = llama(inputs_embeds=kept, attention_mask=every, use_cache=False).last_hidden_state
        expected.append(states[0].mean(0) @ out.T + last)
    visual = model.x_encoder(pixels)
    torch.testing.assert_close(model.predict_raw(visual, query), torch.stack(expected), atol=1e-5, rtol=1e-5)
    states = gemma(input_ids=query.ids, attention_mask=query.mask.long()).last_hidden_state
    mean = torch.stack([row[real].mean(0) for row, real in zip(states, query.mask, strict=True)])
    expected_text = mean @ held[f"{text}.weight"].T + held[f"{text}.bias"]
    torch.testing.assert_close(model.encode_text_raw(query), expected_text, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", ["open-vljepa", "saivishwak"])
def test_a_whole_model_gets_a_y_decoder_to_be_taught_where_one_is_wanted(
    made: dict[str, Source], tmp_path: Path, name: str
) -> None:
    """Of the language model's own layers; all else stays as it was trained by others."""
    source = replace(made[name], settings=replace(made[name].settings, decoder="new"))
    bundle, plain = imported(source, tmp_path / "model"), replace(source.settings, decoder="none")
    assert bundle.untrained == ("y_decoder",)
    card = (tmp_path / "model" / "README.md").read_text()
    assert "`vljepa train decoder --model FOLDER` teaches it" in card and "It was trained by others" in card
    theirs, decoder = load_file(Path(source.settings.predictor) / "model.safetensors"), bundle.model.y_decoder
    for layer in range(3):
        ours = decoder.layers.layers[layer].self_attn.q_proj.weight
        assert torch.equal(ours, theirs[f"model.layers.{layer}.self_attn.q_proj.weight"])
    without = dict(whole(plain, find_sources(plain)).model.state_dict())
    model = bundle.model.state_dict()
    assert {key for key in model if not key.startswith("y_decoder.")} == without.keys()
    assert all(torch.equal(model[key], tensor) for key, tensor in without.items())


@torch.no_grad()
def test_the_predictor_looks_both_ways_and_at_no_padding(made: dict[str, Source], tmp_path: Path) -> None:
    model = imported(made["open-vljepa"], tmp_path / "model").model
    visual, query = (
        torch.randn(1, 6, 48),
        Tokens(ids=torch.tensor([[5, 6, 7]]), mask=torch.ones(1, 3, dtype=torch.bool)),
    )
    padded = Tokens(ids=functional.pad(query.ids, (0, 4), value=9), mask=functional.pad(query.mask, (0, 4)))
    torch.testing.assert_close(
        model.predict_raw(visual, padded), model.predict_raw(visual, query), atol=1e-6, rtol=1e-6
    )
    tokens = [
        torch.cat([model.predictor.visual_projection(visual), model.token_table(torch.tensor([[5, 6, last]]))], dim=1)
        for last in (7, 8)
    ]
    first, other = (model.predictor.layers(each)[:, 0] for each in tokens)
    assert (first - other).abs().max() > 1e-3


@torch.no_grad()
def test_vjepa2_1_comes_from_its_own_file_and_returns_to_its_own_names(made: dict[str, Source], tmp_path: Path) -> None:
    source = made["vjepa2.1"]
    model = imported(source, tmp_path / "model").model
    theirs = vjepa2_1()
    theirs.load_state_dict({key.removeprefix("module.backbone."): tensor for key, tensor in read(source).items()})
    clip = torch.randn(1, 3, 3, 384, 384)
    assert isinstance(model.x_encoder.network, VJEPA21)
    for pixels in (clip, clip[:, :1]):
        torch.testing.assert_close(model.x_encoder(pixels), theirs(pixels))
    assert model.x_encoder(clip[:, :1]).shape[1] == 576  # a picture has tokens of its own, one frame deep
    (file,) = export_weights("x-encoder", tmp_path / "model", tmp_path / "out")[-1:]
    again = read(replace(source, file=file, under=""))
    tensors = {WRAPPERS.sub("", key): tensor for key, tensor in read(source).items()}
    assert again.keys() == tensors.keys()
    assert all(torch.equal(again[key], tensor) for key, tensor in tensors.items())


def test_the_card_names_every_source_and_what_nobody_has_trained(made: dict[str, Source], tmp_path: Path) -> None:
    for name, sentence in (("vjepa2", "drawn\nat random"), ("open-vljepa", "It was trained by others")):
        source = made[name]
        import_weights(source.settings, tmp_path / name)
        card = (tmp_path / name / "README.md").read_text()
        assert sentence in card
        assert f"| {source.file.name} | `{sha256_of(source.file)}` |" in card
        assert (
            f"| Y-Encoder | gemma3 | config.json | `{sha256_of(Path(source.settings.y_encoder) / 'config.json')}` |"
            in card
        )
        assert str(tmp_path.parent) not in card


@pytest.mark.parametrize("name", ["perception core", "perception lang"])
@torch.no_grad()
def test_a_perception_encoder_comes_from_its_own_file_and_returns_to_its_own_names(
    made: dict[str, Source], tmp_path: Path, name: str
) -> None:
    """The class token is left out of what the Predictor reads, and so is what follows the tower."""
    source = made[name]
    bundle = imported(source, tmp_path / "model")
    settings = bundle.model.settings.x_encoder
    assert isinstance(settings, PerceptionSettings) and settings.class_token == (name == "perception core")
    theirs = PerceptionEncoder(settings).eval()
    tensors = {
        WRAPPERS.sub("", key): tensor
        for key, tensor in read(source).items()
        if not key.startswith(source.unused or "-")
    }
    theirs.load_state_dict(tensors)
    clip = torch.randn(1, 3, 3, 32, 32)
    expected = theirs(clip[0])[:, int(settings.class_token) :].flatten(0, 1)
    torch.testing.assert_close(bundle.model.x_encoder(clip)[0], expected)
    processor = bundle.processor.settings
    assert (processor.resize, processor.interpolation, processor.sampling) == (
        "squash",
        "bilinear",
        "perception encoder",
    )
    export_weights("x-encoder", tmp_path / "model", tmp_path / "out")
    again = load_file(tmp_path / "out" / "perception_encoder_32.safetensors")
    assert again.keys() == tensors.keys() and all(torch.equal(again[key], tensors[key]) for key in again)
    file = str(tmp_path / "out" / "perception_encoder_32.safetensors")
    assert same_again(source, bundle.model.state_dict(), source=file)
    (tmp_path / "repository").mkdir()
    published = shutil.copy(source.file, tmp_path / "repository")  # as on the hub: the file and nothing to configure
    settings = replace(source.settings, source=str(tmp_path / "repository"))
    assert find_sources(settings).x_encoder == Path(published)


EXPORTED = (
    *(("x-encoder", name) for name in ("vjepa2", "clip", "siglip", "dinov2")),
    *(("predictor", name) for name in ("llama", "qwen3")),
    *(("y-encoder", name) for name in ("gemma3", "bert", "mpnet")),
)
FIELDS = {"x-encoder": "source", "predictor": "predictor", "y-encoder": "y_encoder"}


@pytest.mark.parametrize(("kind", "name"), EXPORTED)
def test_exported_parts_are_what_transformers_opens_and_what_is_imported_again(
    made: dict[str, Source], tmp_path: Path, kind: str, name: str
) -> None:
    from transformers import AutoModel

    # A Y-Decoder begins from other layers of the language model than the Predictor's, which alone are exported.
    source = replace(made[name], settings=replace(made[name].settings, decoder="none"))
    model = imported(source, tmp_path / "model").model.state_dict()
    export_weights(kind, tmp_path / "model", tmp_path / "out")
    _, told = AutoModel.from_pretrained(tmp_path / "out", output_loading_info=True)
    left = [key for key in told["missing_keys"] if not key.startswith((*UNUSED, "post_layernorm", "head."))]
    assert not left and not told["unexpected_keys"] and not told["mismatched_keys"]
    assert same_again(source, model, **{FIELDS[kind]: str(tmp_path / "out")})


def test_open_vljepas_names_come_back(made: dict[str, Source], tmp_path: Path) -> None:
    source = made["open-vljepa"]
    import_weights(source.settings, tmp_path / "model")
    export_weights("open-vljepa", tmp_path / "model", tmp_path / "out")
    again, tensors = load_file(tmp_path / "out" / "best.safetensors"), read(source)
    assert again.keys() == tensors.keys()
    assert all(torch.equal(again[key], tensor) for key, tensor in tensors.items())
    import_weights(made["vjepa2"].settings, tmp_path / "other")
    with pytest.raises(WeightsError, match="is there already"):
        export_weights("open-vljepa", tmp_path / "other", tmp_path / "out")
    learned = load_file(tmp_path / "other" / "model.safetensors")
    learned["predictor.query_projection.bias"] += 1
    save_file(learned, tmp_path / "other" / "model.safetensors")
    with pytest.raises(WeightsError, match="query projection is not the identity"):
        export_weights("open-vljepa", tmp_path / "other", tmp_path / "more")


def test_both_layouts_of_vjepa2_are_the_same_model(made: dict[str, Source], tmp_path: Path) -> None:
    source = made["vjepa2 original"]
    model = imported(source, tmp_path / "model").model.state_dict()
    export_weights("x-encoder", tmp_path / "model", tmp_path / "theirs")
    export_weights("x-encoder-original", tmp_path / "model", tmp_path / "original")
    for path in (tmp_path / "theirs", tmp_path / "original" / "vjepa2_256.safetensors"):
        assert same_again(source, model, source=str(path))


def test_a_wrong_resolution_or_version_is_refused(made: dict[str, Source], tmp_path: Path) -> None:
    unnamed, newer = made["vjepa2 original"].settings, made["vjepa2.1"].settings
    wrong = [
        (replace(unnamed, resolution=None), "does not say for which frames it is: say --resolution 256 or 384"),
        (replace(newer, resolution=256), "is for frames of 384 pixels by its name, and 256 were asked for"),
        (replace(made["vjepa2"].settings, resolution=64), "is for frames of 32 pixels, and --resolution 64"),
        (
            replace(made["vjepa2"].settings, kind="paper", layers=0),
            "not what the settings say.*resolution 32, not 256",
        ),
        (replace(newer, kind="open", layers=0), "holds V-JEPA 2.1, and the settings say V-JEPA 2"),
        (replace(unnamed, y_encoder=unnamed.source), "config.json is missing"),
        (replace(made["vjepa2"].settings, y_encoder=made["vjepa2"].settings.predictor), "'llama' is no Y-Encoder"),
        (replace(made["saivishwak"].settings, decoder=""), "leave it out with --decoder none"),
        (replace(made["vjepa2"].settings, layers=9), "there is no layer -6"),
        (replace(made["perception core"].settings, resolution=64), "is for frames of 32 pixels, and --resolution 64"),
        (replace(made["vjepa2"].settings, decoder="old"), "there is no decoder 'old': choose one of new, none"),
    ]
    for settings, sentence in wrong:
        with pytest.raises((WeightsError, FileNotFoundError), match=sentence):
            import_weights(settings, tmp_path / "model")
