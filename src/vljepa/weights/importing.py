"""Published weights into model folders: parts composed to a new model, and whole models that other people trained.

What is read is named in the folder's card, with the sha256 of every file. Nothing is loaded in part: each importer uses
every tensor of its source, or says which one it does not know, misses, or finds in another shape or number format.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from vljepa.config import fingerprint
from vljepa.data.processor import Processor
from vljepa.data.published_processor import read_published_processor
from vljepa.models.predictor import PredictorSettings
from vljepa.models.sizes import open as open_size
from vljepa.models.sizes import paper as paper_size
from vljepa.models.sizes import prefix_decoder
from vljepa.models.vljepa import VLJEPA, VLJEPASettings
from vljepa.models.x_encoders import XEncoderSettings
from vljepa.weights.calibration import Calibration
from vljepa.weights.card import import_card
from vljepa.weights.compose import (
    begin_decoder,
    compose,
    decoder_tensors,
    processor_settings,
    tokenizers_of,
    x_encoder_tensors,
)
from vljepa.weights.convert import WeightsError
from vljepa.weights.fetch import FILES, source_path
from vljepa.weights.folder import Bundle, Undrawn, save_folder
from vljepa.weights.foreign import read_checkpoint, tensors_in
from vljepa.weights.markers import text_markers
from vljepa.weights.perception_names import is_perception, perception_settings
from vljepa.weights.published import llama_settings, x_encoder_settings, y_encoder_settings
from vljepa.weights.published_config import config_of
from vljepa.weights.video_names import original_settings
from vljepa.weights.whole import from_open_vljepa, from_saivishwak, num_layers, size_of


@dataclass(frozen=True, kw_only=True)
class Published:
    """A kind of source: what it is, and from where its parts come unless others are named."""

    told: str
    source: str = ""
    predictor: str = "meta-llama/Llama-3.2-1B"
    y_encoder: str = "google/embeddinggemma-300m"
    x_encoder: str = "facebook/vjepa2-vitl-fpc64-256"


KINDS: Mapping[str, Published] = {
    "paper": Published(
        told="parts of size paper: V-JEPA 2 ViT-L, Llama-3.2-1B, EmbeddingGemma", source=Published.x_encoder
    ),
    "open": Published(
        told="parts of size open: V-JEPA 2 ViT-L, SmolLM2-360M, all-mpnet-base-v2, no gate",
        source=Published.x_encoder,
        predictor="HuggingFaceTB/SmolLM2-360M",
        y_encoder="sentence-transformers/all-mpnet-base-v2",
    ),
    "parts": Published(told="parts of any size: a vision encoder, a Llama-type model, a text encoder"),
    "open-vljepa": Published(told="a model of dion-jy/open-vljepa (best.pt, latest.pt)", source="cun-bjy/open-vljepa"),
    "saivishwak": Published(told="a model of saivishwak/VL-JEPA (a folder with model.pt)"),
}
OPEN_VLJEPA = "open-vljepa"
COMPOSED = ("paper", "open", "parts")
DECODERS = ("", "new", "none")
MOST_SHARED = 1 << 16


@dataclass(frozen=True, kw_only=True)
class ImportSettings:
    """`source`, `x_encoder`, `predictor`, `y_encoder`: files, folders or names on the hub; empty: the kind's own.

    The source of composed parts is their X-Encoder. Of whole models it is their checkpoint; the three parts are then
    read for what a checkpoint does not hold: shapes, tokenizers, and of open-vljepa the frozen vision encoder.
    `layers`: the Predictor begins from so many of the last ones (0: the last half). `shared`: dimensions of the space
    that both sides meet in (0: the text encoder's own). `dense`: with EmbeddingGemma's own two heads.
    `decoder`: "new" begins a Y-Decoder from layers of the language model, "none" does without; empty: new where parts
    are composed, and otherwise none.
    """

    kind: str
    source: str = ""
    x_encoder: str = ""
    predictor: str = ""
    y_encoder: str = ""
    layers: int = 0
    shared: int = 0
    dense: bool = False
    resolution: int | None = None
    prompt: str = ""
    frames: int = 8
    name: str = ""
    seed: int = 0
    decoder: str = ""
    offline: bool = False


@dataclass(frozen=True, kw_only=True)
class Sources:
    """What was found: the vision encoder, the language model, the text encoder, and the whole model's own."""

    x_encoder: Path
    predictor: Path
    y_encoder: Path
    model: Path | None = None


def import_weights(settings: ImportSettings, into: Path) -> Bundle:
    """Read a source of this kind and save it as the model folder `into`, which must not exist."""
    if settings.kind not in KINDS:
        raise WeightsError(f"there is no kind {settings.kind}: choose one of {', '.join(KINDS)}")
    if into.exists() or into.is_symlink():
        raise WeightsError(f"{into} is there already: give the name of a new folder, or delete it first")
    sources = find_sources(settings)
    bundle = composed(settings, sources) if settings.kind in COMPOSED else whole(settings, sources)
    into.parent.mkdir(parents=True, exist_ok=True)
    save_folder(bundle, into, card=card(settings, sources, bundle), int8=False)
    return bundle


def find_sources(settings: ImportSettings) -> Sources:
    """The files and folders, fetched where they are names on the hub."""
    kind, is_composed = KINDS[settings.kind], settings.kind in COMPOSED
    source = settings.source or kind.source
    if not source:
        raise WeightsError(f"where is the source? Write vljepa weights import {settings.kind} SOURCE --into FOLDER")
    if is_composed and settings.x_encoder:
        raise WeightsError(f"the SOURCE of kind {settings.kind} is the vision encoder: leave out --x-encoder")
    x_encoder = source if is_composed else settings.x_encoder or kind.x_encoder
    told = FILES if is_composed else ("*.json",)  # a whole model has its own weights of the language models
    spoken = FILES if begins_decoder(settings) else told
    seen = ("*.json",) if settings.kind == "saivishwak" else (*FILES, "PE-*.pt")
    found = {
        "x_encoder": authors_file(source_path(x_encoder, files=seen, offline=settings.offline)),
        "predictor": source_path(settings.predictor or kind.predictor, files=spoken, offline=settings.offline),
        "y_encoder": source_path(settings.y_encoder or kind.y_encoder, files=told, offline=settings.offline),
    }
    files = (*FILES, "best.pt", "latest.pt", "model.pt", "model_config.yaml")
    model = None if is_composed else source_path(source, files=files, offline=settings.offline)
    return Sources(**found, model=model)


def authors_file(source: Path) -> Path:
    """A folder of one `.pt` and no `config.json`, as Perception Encoders are published, stands for that file."""
    files = [] if (source / "config.json").exists() else sorted(source.glob("*.pt"))
    return files[0] if len(files) == 1 else source


def composed(settings: ImportSettings, sources: Sources) -> Bundle:
    """A new model of published parts, whose projections and heads nobody has trained."""
    bundle = compose(
        with_decoder(composed_settings(settings, sources), settings, sources),
        x_encoder=sources.x_encoder,
        predictor=sources.predictor,
        y_encoder=sources.y_encoder,
        seed=settings.seed,
        name=settings.name or settings.kind,
        prompt=settings.prompt,
    )
    return replace(bundle, frames=settings.frames)


def composed_settings(settings: ImportSettings, sources: Sources) -> VLJEPASettings:
    """Those of the size, or what the parts say of themselves."""
    if settings.kind in ("paper", "open"):
        changed = [name for name in ("layers", "shared", "dense", "resolution") if getattr(settings, name)]
        if changed:
            raise WeightsError(f"size {settings.kind} has its own --{changed[0]}: import kind parts to choose it")
        return paper_size() if settings.kind == "paper" else open_size()
    config = config_of(sources.predictor)
    y_config = config_of(sources.y_encoder)
    total = config["num_hidden_layers"]
    count = settings.layers or total // 2
    x_encoder = vision_settings(sources.x_encoder, settings.resolution)
    shared = settings.shared or y_config["hidden_size"]
    if shared > MOST_SHARED:
        raise WeightsError(f"--shared is {shared:,}: give {MOST_SHARED:,} or less")
    return VLJEPASettings(
        x_encoder=x_encoder,
        predictor=PredictorSettings(
            llama=llama_settings(config, tuple(range(total - count, total)), name=str(sources.predictor)),
            visual_width=x_encoder.token_width,
            shared=shared,
        ),
        y_encoder=y_encoder_settings(
            y_config,
            shared=shared,
            dense=4 * y_config["hidden_size"] * settings.dense,
            name=str(sources.y_encoder),
        ),
        vocab=config["vocab_size"],
    )


def begins_decoder(settings: ImportSettings) -> bool:
    """Whether the model gets a Y-Decoder that nobody has trained. WeightsError for a choice that there is not."""
    if settings.decoder not in DECODERS:
        raise WeightsError(f"there is no decoder {settings.decoder!r}: choose one of {', '.join(DECODERS[1:])}")
    return settings.decoder == "new" or (not settings.decoder and settings.kind in COMPOSED)


def with_decoder(shape: VLJEPASettings, settings: ImportSettings, sources: Sources) -> VLJEPASettings:
    """The same with a Y-Decoder of layers of the language model, or without one where none is to begin."""
    if not begins_decoder(settings):
        return replace(shape, y_decoder=None)
    config = config_of(sources.predictor)
    llama = llama_settings(config, name=str(sources.predictor))
    stop = text_markers(sources.predictor, config).end
    if stop < 0:
        raise WeightsError(f"{sources.predictor / 'config.json'} names no token that ends a text: say --decoder none")
    decoder = prefix_decoder(llama, shared=shape.predictor.shared, vocab=shape.vocab, stop=stop)
    return replace(shape, y_decoder=decoder)


def vision_settings(source: Path, resolution: int | None) -> XEncoderSettings:
    """What a folder's `config.json`, or the shapes in its authors' file, say of a vision encoder."""
    if not source.is_dir():
        own = perception_settings if is_perception(source) else original_settings
        return own(source, resolution=resolution)
    config = config_of(source)
    free = None
    if str(config.get("model_type", "")).startswith("dinov2"):  # reads any size: that which its preprocessing makes
        free = resolution or read_published_processor(source).resolution
    found = x_encoder_settings(config, name=str(source), resolution=free)
    side = getattr(found, "resolution", resolution)
    if resolution is not None and side != resolution:
        raise WeightsError(f"{source} is for frames of {side} pixels, and --resolution {resolution} was asked for")
    return found


def whole(settings: ImportSettings, sources: Sources) -> Bundle:
    """A model that somebody trained, in the number formats that it is stored in."""
    assert sources.model is not None, "a whole model has a checkpoint"
    is_open = settings.kind == OPEN_VLJEPA
    path = checkpoint_file(sources.model, ("best.pt", "latest.pt") if is_open else ("model.pt",))
    content = read_checkpoint(path)
    tensors = tensors_in(content, name=str(path), under="model_state_dict" if is_open else "")
    shape = with_decoder(whole_settings(settings, sources, tensors, path), settings, sources)
    with torch.device("meta"), Undrawn():
        model = VLJEPA(shape)
    wanted = {key: tensor for key, tensor in model.state_dict().items() if not key.startswith("y_decoder.")}
    if is_open:
        filled = from_open_vljepa(tensors, wanted, name=str(path))
        seen = x_encoder_tensors(shape, sources.x_encoder, model.x_encoder)
        filled |= {f"x_encoder.{key}": tensor for key, tensor in seen.items()}
    else:
        filled = from_saivishwak(tensors, wanted, name=str(path), without_decoder=bool(settings.decoder))
    return _bundle(model, filled | decoder_tensors(sources.predictor, model), settings, sources, path)


def whole_settings(
    settings: ImportSettings, sources: Sources, tensors: Mapping[str, Tensor], path: Path
) -> VLJEPASettings:
    """Shapes: of the parts from their folders, of what lies between them from the checkpoint."""
    is_open = settings.kind == OPEN_VLJEPA
    layers, head = (
        ("predictor.layers.", "predictor.out_proj.bias")
        if is_open
        else ("predictor.backbone.layers.", "predictor.output_projection.bias")
    )
    config = config_of(sources.predictor)
    total, count = config["num_hidden_layers"], num_layers(tensors, layers, name=str(path))
    shared = size_of(tensors, head, name=str(path))
    x_encoder = vision_settings(sources.x_encoder, settings.resolution)
    return VLJEPASettings(
        x_encoder=x_encoder,
        predictor=PredictorSettings(
            llama=llama_settings(config, tuple(range(total - count, total)), name=str(sources.predictor)),
            visual_width=x_encoder.token_width,
            shared=shared,
        ),
        y_encoder=y_encoder_settings(config_of(sources.y_encoder), shared=shared, name=str(sources.y_encoder)),
        vocab=config["vocab_size"],
    )


def checkpoint_file(source: Path, names: tuple[str, ...]) -> Path:
    """The file itself, or the first of the names that the folder holds."""
    if not source.is_dir():
        return source
    found = next((source / name for name in names if (source / name).is_file()), None)
    if found is None:
        raise WeightsError(f"{source} holds no {' or '.join(names)}: give the checkpoint itself")
    return found


def card(settings: ImportSettings, sources: Sources, bundle: Bundle) -> str:
    """The folder's card: what it was made of, where that came from, and what nobody has trained."""
    kind, is_composed = KINDS[settings.kind], settings.kind in COMPOSED
    asked = {
        "X-Encoder": (settings.source or kind.source if is_composed else settings.x_encoder or kind.x_encoder),
        "Predictor": settings.predictor or kind.predictor,
        "Y-Encoder": settings.y_encoder or kind.y_encoder,
    }
    paths = {"X-Encoder": sources.x_encoder, "Predictor": sources.predictor, "Y-Encoder": sources.y_encoder}
    if sources.model is not None:
        asked["the model"], paths["the model"] = settings.source or kind.source, sources.model
    return import_card(bundle.name, told=kind.told, untrained=bundle.untrained, asked=asked, paths=paths)


def _bundle(
    model: VLJEPA, filled: Mapping[str, Tensor], settings: ImportSettings, sources: Sources, path: Path
) -> Bundle:
    torch.manual_seed(settings.seed)
    begin_decoder(model)
    model.load_state_dict(dict(filled), strict=False, assign=True)
    unfilled = [key for key, tensor in model.state_dict().items() if tensor.is_meta]
    if unfilled:
        raise WeightsError(f"{path}: nothing fills {', '.join(unfilled[:5])}")
    query, target = path.parent / "query_tokenizer", path.parent / "target_tokenizer"
    return Bundle(
        model=model.eval(),
        processor=Processor(processor_settings(model.settings, sources.x_encoder)),
        **tokenizers_of(
            model.settings,
            query=query if query.is_dir() else sources.predictor,
            target=target if target.is_dir() else sources.y_encoder,
            predictor=sources.predictor,
            prompt=settings.prompt,
        ),
        frames=settings.frames,
        name=settings.name or settings.kind,
        calibration=Calibration(),
        fingerprint=fingerprint(model.settings),
        untrained=("y_decoder",) if model.settings.y_decoder is not None else (),
    )
