"""Where training of size `small` starts: the published weights of registry packages, or a model that was trained."""

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional

from vljepa.models.lite_encoder import lite
from vljepa.models.vljepa import VLJEPA, VLJEPASettings, without_ranges
from vljepa.text import Tokenizer, TokenizerSettings
from vljepa.weights.convert import (
    efficientnet_lite,
    gguf_tokenizer,
    layers_of,
    llama_from_gguf,
    load_exactly,
)
from vljepa.weights.folder import load_folder
from vljepa.weights.keys import BERT
from vljepa.weights.tables import fill

QUERY_TOKENS = TokenizerSettings(pad=2, start=0, max_tokens=512)  # <|endoftext|> opens, <|im_end|> pads
DECODER_TOKENS = TokenizerSettings(pad=2, end=0, max_tokens=64)
TARGET_TOKENS = TokenizerSettings(pad=0, start=101, end=102, max_tokens=256)  # [CLS] and [SEP]


@dataclass(frozen=True, kw_only=True)
class PublishedFiles:
    """Opened package files: the picture encoder, the sentence encoder's folder, the language model."""

    efficientnet: Path
    sentence_encoder: Path
    language_model: Path


@dataclass(frozen=True, kw_only=True)
class Started:
    """A model ready to be trained with the tokenizers of its query side, target side and decoder."""

    model: VLJEPA
    query_tokenizer: Tokenizer
    target_tokenizer: Tokenizer
    decoder_tokenizer: Tokenizer


def start_small(settings: VLJEPASettings, files: PublishedFiles, *, class_names: list[str], seed: int) -> Started:
    """The untrained `small`: published bodies, new projections and heads, posterior columns that mean class names."""
    torch.manual_seed(seed)
    model = VLJEPA(settings)
    load_exactly(model.x_encoder.network, efficientnet_lite(files.efficientnet), name=files.efficientnet.name)
    _round_to_bfloat16(model.x_encoder.network)
    encoder_file = files.sentence_encoder / "model.safetensors"
    fill(model.y_encoder, BERT, load_file(encoder_file), name=str(encoder_file), within="body.")
    llama = llama_from_gguf(files.language_model)
    name = files.language_model.name
    load_exactly(model.predictor.layers, layers_of(llama, settings.predictor.llama.layers), name=name)
    load_exactly(model.y_decoder.layers, layers_of(llama, model.y_decoder.settings.llama.layers), name=name)
    model.token_table.weight.data.copy_(llama["embed_tokens.weight"])
    _start_head_at_identity(model.y_encoder.head)
    definition = gguf_tokenizer(files.language_model)
    started = Started(
        model=model,
        query_tokenizer=Tokenizer(definition, QUERY_TOKENS),
        target_tokenizer=Tokenizer.open(files.sentence_encoder / "tokenizer.json", TARGET_TOKENS),
        decoder_tokenizer=Tokenizer(definition, DECODER_TOKENS),
    )
    _mean_class_names(started, class_names)
    return started


@torch.no_grad()
def start_trained(settings: VLJEPASettings, folder: Path) -> Started:
    """The model of a folder, to be trained further; without the picture classifier's opinion, which comes last.

    ValueError for a model of another shape or one that has no Y-Decoder; WeightsError as in `load_folder`.
    """
    bundle = load_folder(folder)
    own = bundle.model.settings
    if own.y_decoder is None or bundle.untrained:
        raise ValueError(f"{folder} lacks trained parts: the recipe small goes on from a whole model")
    settings = replace(settings, y_decoder=own.y_decoder)
    # An older model tells no opinion, and no ranges of the X-Encoder, which is the published one.
    alike = replace(own, predictor=replace(own.predictor, classes=settings.predictor.classes))
    if without_ranges(alike) != without_ranges(settings):
        raise ValueError(f"the model in {folder} has another shape than this run's settings: see model.* of both")
    model = VLJEPA(settings)
    state = model.state_dict() | bundle.model.state_dict()  # an older model knows of no opinion
    model.load_state_dict(state)
    _round_to_bfloat16(model.x_encoder.network)
    if settings.predictor.classes:
        model.predictor.conse.weight.zero_()
    return Started(
        model=model,
        query_tokenizer=bundle.query_tokenizer,
        target_tokenizer=bundle.target_tokenizer,
        decoder_tokenizer=bundle.decoder_tokenizer,
    )


@torch.no_grad()
def _round_to_bfloat16(network: nn.Module) -> None:
    """A frozen part begins in bfloat16's numbers, which folders hold and some machines compute in.

    Features that were kept for training are then those of the shipped model, on every machine.
    """
    for parameter in network.parameters():
        parameter.copy_(parameter.to(torch.bfloat16))


def _start_head_at_identity(head: nn.Linear) -> None:
    """The shared space begins as the sentence encoder's own."""
    nn.init.eye_(head.weight)
    nn.init.zeros_(head.bias)


@torch.no_grad()
def _mean_class_names(started: Started, class_names: list[str]) -> None:
    """Each posterior column of the visual projection becomes a rotation of its class name's embedding.

    Similar classes then enter the Predictor as similar vectors, so that what is learned of one holds for its
    neighbours (ConSE, Norouzi et al. 2014, as a starting point instead of a second model).
    """
    model = started.model
    encoder = lite(model.x_encoder, what="a projection of class names")
    names = functional.normalize(model.y_encoder.pooled(started.target_tokenizer(class_names)), dim=-1)
    names = functional.normalize(names - names.mean(0), dim=-1)
    weight = model.predictor.visual_projection.weight
    rotation = torch.linalg.qr(torch.randn(weight.shape[0], names.shape[1]))[0]
    features = encoder.settings.token_width - len(class_names) - encoder.settings.coordinates
    weight[:, features : features + len(class_names)] = rotation @ names.T * CLASS_NAME_GAIN


CLASS_NAME_GAIN = 0.5
