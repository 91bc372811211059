"""The token VLM's weights: where its training starts, and its folder, which is read as strictly as a model's."""

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from vljepa.config import as_dict, settings_from
from vljepa.data.processor import Processor
from vljepa.models.token_vlm import TokenVLM, TokenVLMSettings
from vljepa.text import Tokenizer, TokenizerSettings
from vljepa.weights.convert import WeightsError, layers_of, load_exactly
from vljepa.weights.folder import FORMAT, Bundle, Undrawn, folder_fingerprint
from vljepa.weights.quantize import packed
from vljepa.weights.stored import check_stored, read, stored_tensors

MODEL_TYPE = "vljepa-token-vlm"


@dataclass(frozen=True, kw_only=True)
class TokenVLMFolderSettings:
    """The content of `config.json`."""

    model: TokenVLMSettings
    frames: int
    model_type: str
    format: int = FORMAT
    name: str = "token-vlm"
    tokenizers: dict[str, TokenizerSettings] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class TokenVLMBundle:
    """An opened folder; queries and answers are tokens of one language model with other marks around them."""

    model: TokenVLM
    processor: Processor
    query_tokenizer: Tokenizer
    text_tokenizer: Tokenizer
    frames: int
    name: str
    fingerprint: str


def num_layers(language_model: Mapping[str, Tensor]) -> int:
    """How many layers a published language model has."""
    return 1 + max(int(key.split(".")[1]) for key in language_model if key.startswith("layers."))


def start_token_vlm(twin: Bundle, language_model: Mapping[str, Tensor], *, layers: tuple[int, ...]) -> TokenVLMBundle:
    """Published layers behind what a VL-JEPA begins with: its X-Encoder, visual projection, token table, tokenizers.

    WeightsError where the language model is not the one that the VL-JEPA reads its queries with.
    """
    theirs = twin.model
    if language_model["embed_tokens.weight"].shape != theirs.token_table.weight.shape:
        raise WeightsError(
            f"the language model has a token table of {tuple(language_model['embed_tokens.weight'].shape)} and "
            f"{twin.name} one of {tuple(theirs.token_table.weight.shape)}: begin with a model that reads its queries "
            "with the same language model"
        )
    settings = TokenVLMSettings(
        x_encoder=theirs.settings.x_encoder,
        llama=replace(theirs.settings.predictor.llama, layers=layers),
        vocab=theirs.settings.vocab,
        stop=twin.decoder_tokenizer.settings.end,
    )
    model = TokenVLM(settings)
    load_exactly(model.x_encoder, theirs.x_encoder.state_dict(), name=twin.name)
    load_exactly(model.token_table, theirs.token_table.state_dict(), name=twin.name)
    projection = theirs.predictor.visual_projection.state_dict()
    load_exactly(model.generator.visual_projection, projection, name=twin.name)
    load_exactly(model.generator.layers, layers_of(language_model, layers), name="the language model")
    return TokenVLMBundle(
        model=model,
        processor=twin.processor,
        query_tokenizer=twin.query_tokenizer,
        text_tokenizer=twin.decoder_tokenizer,
        frames=twin.frames,
        name=f"{twin.name}-token-vlm",
        fingerprint=twin.fingerprint,
    )


def save_token_vlm(bundle: TokenVLMBundle, folder: Path, *, card: str, int8: bool = False) -> None:
    """Write beside `folder`, then rename: a folder of that name is replaced whole or not at all."""
    temporary = folder.with_name(folder.name + ".tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    settings = TokenVLMFolderSettings(
        model=bundle.model.settings,
        frames=bundle.frames,
        model_type=MODEL_TYPE,
        name=bundle.name,
        tokenizers={"query": bundle.query_tokenizer.settings, "text": bundle.text_tokenizer.settings},
    )
    (temporary / "config.json").write_text(json.dumps(as_dict(settings), indent=1) + "\n")
    (temporary / "processor_config.json").write_text(bundle.processor.to_json() + "\n")
    (temporary / "tokenizer.json").write_text(bundle.query_tokenizer.definition, encoding="utf-8")
    (temporary / "README.md").write_text(card, encoding="utf-8")
    tensors = {name: value.detach().cpu().contiguous() for name, value in bundle.model.state_dict().items()}
    if int8:
        tensors = packed(tensors, dense=("x_encoder.",))
    save_file(tensors, temporary / "model.safetensors", metadata={"format": "pt"})
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(temporary, folder)


def load_token_vlm(folder: Path) -> TokenVLMBundle:
    """Open such a folder in float32; WeightsError or SettingsError name what is missing or does not fit."""
    path = folder / "config.json"
    if not path.is_file():
        raise WeightsError(f"{folder} is no folder of a token VLM: it has no config.json; train one with baseline")
    values = json.loads(path.read_text(encoding="utf-8"))
    if values.get("model_type") != MODEL_TYPE:
        raise WeightsError(f"{folder} holds a model of type {values.get('model_type')!r}, not a token VLM")
    settings = settings_from(TokenVLMFolderSettings, values)
    if settings.format != FORMAT:
        raise WeightsError(f"{folder} has format {settings.format}, this version reads {FORMAT}: update vljepa")
    with torch.device("meta"), Undrawn():
        model = TokenVLM(settings.model).eval()
    stored, wanted = stored_tensors(folder), model.state_dict()
    check_stored(stored, wanted, name=str(folder))
    filled = {name: read(stored, name, dtype=empty.dtype) for name, empty in wanted.items()}
    model.load_state_dict(filled, assign=True)
    model.x_encoder.requires_grad_(False)
    model.token_table.requires_grad_(False)
    tokenizers = {
        name: Tokenizer.open(folder / "tokenizer.json", settings.tokenizers[name]) for name in ("query", "text")
    }
    return TokenVLMBundle(
        model=model,
        processor=Processor.from_json((folder / "processor_config.json").read_text()),
        query_tokenizer=tokenizers["query"],
        text_tokenizer=tokenizers["text"],
        frames=settings.frames,
        name=settings.name,
        fingerprint=folder_fingerprint(folder),
    )
