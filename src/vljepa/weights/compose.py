"""A model begun from published parts: what others have trained, with projections and heads that nobody has yet.

The parts are folders as transformers saves them (V-JEPA 2 and 2.1 as their authors' `.pt`), each read strictly: every
tensor has its place, and its settings are what the model's say. Recipes begin from the result, saved with
`save_folder`.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vljepa.config import differences, fingerprint
from vljepa.data.processor import Processor, ProcessorSettings
from vljepa.data.published_processor import published_processor, read_published_processor
from vljepa.models.perception_encoder import PerceptionSettings
from vljepa.models.tower import Dinov2Settings
from vljepa.models.vljepa import VLJEPA, VLJEPASettings
from vljepa.text import Tokenizer, TokenizerSettings
from vljepa.weights.calibration import Calibration
from vljepa.weights.convert import WeightsError
from vljepa.weights.folder import Bundle, Undrawn
from vljepa.weights.foreign import read_tensors
from vljepa.weights.keys import BERT, CLIP, DENSE, DINOV2, GEMMA3, LLAMA, MPNET, QWEN3, SIGLIP, VJEPA2
from vljepa.weights.markers import target_markers, text_markers
from vljepa.weights.perception_names import perception_settings, perception_tensors
from vljepa.weights.published import llama_settings, x_encoder_settings, y_encoder_settings
from vljepa.weights.published_config import config_of
from vljepa.weights.stored import file
from vljepa.weights.tables import to_ours
from vljepa.weights.video_names import OriginalSettings, original_tensors

# Squashed squares, scaled bilinearly, from -1 to 1: what SigLIP's class does with another filter.
PERCEPTION_PROCESSOR = {"image_processor_type": "SiglipImageProcessor", "resample": 2}
X_TABLES = {"vjepa2": VJEPA2, "clip": CLIP, "siglip": SIGLIP, "dinov2": DINOV2}
Y_TABLES = {"bert": BERT, "gemma3": GEMMA3, "mpnet": MPNET, "qwen3": QWEN3}
FRAMES = 8


def compose(
    settings: VLJEPASettings,
    *,
    x_encoder: Path,
    predictor: Path,
    y_encoder: Path,
    seed: int,
    name: str = "composed",
    prompt: str = "",
) -> Bundle:
    """The untrained model of these settings, in float32: published bodies, projections and heads drawn from the seed.

    `x_encoder`: a folder, or a `.pt` of V-JEPA. `prompt` stands before every target text. WeightsError where a part
    is not what the settings say, or its tensors are not exactly those that the part needs.
    """
    with torch.device("meta"), Undrawn():
        model = VLJEPA(settings)
    filled = (
        _under("x_encoder.", x_encoder_tensors(settings, x_encoder, model.x_encoder))
        | _language_model(settings, predictor, model)
        | decoder_tensors(predictor, model)
        | _under("y_encoder.", y_encoder_tensors(settings, y_encoder, model.y_encoder))
    )
    torch.manual_seed(seed)
    _begin_anew(model)
    model.load_state_dict({key: tensor.float() for key, tensor in filled.items()}, strict=False, assign=True)
    unfilled = [key for key, tensor in model.state_dict().items() if tensor.is_meta]
    if unfilled:
        raise WeightsError(f"nothing fills {', '.join(unfilled[:5])}")
    return Bundle(
        model=model.eval(),
        processor=Processor(processor_settings(settings, x_encoder)),
        **tokenizers_of(settings, predictor=predictor, query=predictor, target=y_encoder, prompt=prompt),
        frames=FRAMES,
        name=name,
        calibration=Calibration(),
        fingerprint=fingerprint(settings),
        untrained=_untrained(settings),
    )


def _untrained(settings: VLJEPASettings) -> tuple[str, ...]:
    """Parts with something that nobody has trained: a head that changes nothing leaves the Y-Encoder as it was."""
    begun = {
        "predictor": True,
        "y_encoder": settings.y_encoder.hidden != settings.y_encoder.shared,
        "y_decoder": settings.y_decoder is not None,
    }
    return tuple(part for part, anew in begun.items() if anew)


def tokenizers_of(
    settings: VLJEPASettings, *, predictor: Path, query: Path, target: Path, prompt: str
) -> dict[str, Any]:
    """A bundle's tokenizers from the folders `query` and `target`; the Predictor's own says what begins a text."""
    asked, told = text_markers(query, config_of(predictor)), target_markers(target)
    longest = getattr(settings.y_encoder, "max_positions", 512)
    texts = replace(told, max_tokens=min(512, longest), prompt=prompt)
    return {
        "query_tokenizer": _tokenizer(query, replace(asked, end=-1), vocab=settings.vocab),
        "target_tokenizer": _tokenizer(target, texts, vocab=settings.y_encoder.vocab),
        "decoder_tokenizer": _tokenizer(query, replace(asked, start=-1, max_tokens=64), vocab=settings.vocab),
    }


def x_encoder_tensors(settings: VLJEPASettings, source: Path, part: nn.Module) -> dict[str, Tensor]:
    """The X-Encoder's tensors under our names, from a folder or from the file of its authors."""
    wanted = part.state_dict()
    if not source.is_dir():
        if isinstance(settings.x_encoder, PerceptionSettings):
            _same(perception_settings(source), settings.x_encoder, source)
            return perception_tensors(source, wanted)
        if not isinstance(settings.x_encoder, OriginalSettings):
            kind = settings.x_encoder.kind
            raise WeightsError(
                f"{source} is a file: only V-JEPA 2, 2.1 and Perception Encoders are read from one, and the settings "
                f"say {kind}"
            )
        return original_tensors(source, settings.x_encoder, wanted)
    config = config_of(source)
    side = settings.x_encoder.resolution if isinstance(settings.x_encoder, Dinov2Settings) else None
    _same(x_encoder_settings(config, name=str(source), resolution=side), settings.x_encoder, source)
    return to_ours(X_TABLES[settings.x_encoder.kind], read_tensors(source), wanted, name=str(source))


def y_encoder_tensors(settings: VLJEPASettings, folder: Path, part: nn.Module) -> dict[str, Tensor]:
    """The Y-Encoder's tensors under our names, without its head, with the two of its own if the settings have them."""
    told = y_encoder_settings(
        config_of(folder),
        shared=settings.y_encoder.shared,
        dense=settings.y_encoder.dense,
        name=str(folder),
    )
    _same(told, settings.y_encoder, folder)
    wanted = part.state_dict()
    body = {key: value for key, value in wanted.items() if key.startswith("body.")}
    out = to_ours(Y_TABLES[settings.y_encoder.kind], read_tensors(folder), body, name=str(folder))
    if settings.y_encoder.dense:
        heads = {
            f"{place}.{key}": tensor
            for place in ("2_Dense", "3_Dense")
            for key, tensor in read_tensors(folder / place).items()
        }
        dense = {key: value for key, value in wanted.items() if key.startswith("dense.")}
        out |= to_ours(DENSE, heads, dense, name=str(folder))
    return out


def _language_model(settings: VLJEPASettings, folder: Path, model: VLJEPA) -> dict[str, Tensor]:
    """The token table, and the layers that the Predictor begins from: by their own numbers, not the first ones."""
    layers = settings.predictor.llama.layers
    config = config_of(folder)
    _same(llama_settings(config, layers, name=str(folder)), settings.predictor.llama, folder)
    table = {"embed_tokens.weight": model.token_table.weight}
    wanted = dict(model.predictor.layers.state_dict()) | table
    found = read_tensors(folder)
    _check_other_layers(found, int(config["num_hidden_layers"]), wanted, settings, folder)
    tensors = to_ours(LLAMA, found, wanted, name=str(folder), layers=layers)
    return {"token_table.weight": tensors.pop("embed_tokens.weight")} | _under("predictor.layers.", tensors)


def decoder_tensors(folder: Path, model: VLJEPA) -> dict[str, Tensor]:
    """The layers of the language model that the Y-Decoder begins from, by their own numbers; none without one."""
    settings = model.settings.y_decoder
    if settings is None:
        return {}
    table = {"embed_tokens.weight": model.token_table.weight}
    wanted = dict(model.y_decoder.layers.state_dict()) | table
    tensors = to_ours(LLAMA, read_tensors(folder), wanted, name=str(folder), layers=settings.llama.layers)
    del tensors["embed_tokens.weight"]  # one table serves both sides
    return _under("y_decoder.layers.", tensors)


def _check_other_layers(
    tensors: Mapping[str, Tensor], count: int, wanted: Mapping[str, Tensor], settings: VLJEPASettings, folder: Path
) -> None:
    """The layers that are not ours have to be whole too: a damaged file is not to be trusted in part."""
    first = {key: tensor for key, tensor in wanted.items() if re.match(r"layers\.0\.", key) or "layers." not in key}
    for layer in sorted({*range(count)} - {*settings.predictor.llama.layers}):
        to_ours(LLAMA, tensors, first, name=str(folder), layers=(layer,))


def _begin_anew(model: VLJEPA) -> None:
    """Projections and heads that no published part has; drawn as PyTorch does, identities where they fit."""
    settings = model.settings
    hidden, shared = settings.predictor.llama.hidden, settings.predictor.shared
    model.predictor.visual_projection = nn.Linear(settings.predictor.visual_width, hidden)
    model.predictor.head = nn.Linear(hidden, shared)
    model.predictor.query_projection = _identity(nn.Linear(hidden, hidden))
    head = nn.Linear(settings.y_encoder.hidden, shared)
    # Of equal width the shared space begins as the sentence encoder's own.
    model.y_encoder.head = _identity(head) if settings.y_encoder.hidden == shared else head
    begin_decoder(model)


def begin_decoder(model: VLJEPA) -> None:
    """What a Y-Decoder has and no language model: the tokens that stand for an embedding, drawn as PyTorch does."""
    settings = model.settings.y_decoder
    if settings is not None:
        model.y_decoder.prefix_projection = nn.Linear(settings.shared, settings.prefix * settings.llama.hidden)


def _identity(layer: nn.Linear) -> nn.Linear:
    nn.init.eye_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def _same(told: Any, wanted: Any, source: Path) -> None:
    """WeightsError where a folder holds another model than the settings describe."""
    found = differences(told, wanted)
    if found:
        said = ", ".join(f"{name} {theirs}, not {ours}" for name, (theirs, ours) in found.items())
        raise WeightsError(f"{source} is not what the settings say: its config.json has {said}")


def processor_settings(settings: VLJEPASettings, source: Path) -> ProcessorSettings:
    """The preprocessing of the X-Encoder's folder; a lone file means its authors' own."""
    if source.is_dir():
        found = read_published_processor(source)
    elif isinstance(settings.x_encoder, PerceptionSettings):
        side = settings.x_encoder.resolution
        found = published_processor(
            PERCEPTION_PROCESSOR | {"size": side}, name=str(source), sampling="perception encoder"
        )
    else:
        resolution = getattr(settings.x_encoder, "resolution", 0)
        asked = {"video_processor_type": "VJEPA2VideoProcessor", "crop_size": resolution}
        found = published_processor(asked, name=str(source), sampling="linspace, rounded")
    wanted = getattr(settings.x_encoder, "resolution", found.resolution)
    if found.resolution != wanted:
        raise WeightsError(f"{source}: its preprocessing makes frames of {found.resolution}, the settings say {wanted}")
    return found


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {prefix + key: tensor for key, tensor in tensors.items()}


def _tokenizer(folder: Path, settings: TokenizerSettings, *, vocab: int) -> Tokenizer:
    tokenizer = Tokenizer.open(file(folder / "tokenizer.json"), settings)
    if tokenizer.size > vocab:
        raise WeightsError(f"{folder / 'tokenizer.json'} has {tokenizer.size} tokens, and the model's table {vocab}")
    return tokenizer
