"""Where training starts: the published weights of registry packages, put into the four parts of size `small`."""

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional

from vljepa.models.lite_encoder import lite
from vljepa.models.vljepa import VLJEPA, VLJEPASettings
from vljepa.text import Tokenizer, TokenizerSettings
from vljepa.weights.convert import (
    efficientnet_lite,
    gguf_tokenizer,
    layers_of,
    llama_from_gguf,
    load_exactly,
)
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
