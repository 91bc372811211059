"""A minute random language model in the published names, and a tiny VL-JEPA whose texts end."""

from dataclasses import replace

import torch
from torch import Tensor

from vljepa.models.llama import Llama
from vljepa.models.sizes import tiny
from vljepa.text import Tokenizer, TokenizerSettings
from vljepa.weights.folder import Bundle


def tiny_language(layers: int = 3) -> dict[str, Tensor]:
    """What `llama_from_gguf` would read."""
    settings = tiny()
    torch.manual_seed(7)
    stack = Llama(replace(settings.predictor.llama, layers=tuple(range(layers))), causal=True)
    table = torch.randn(settings.vocab, settings.predictor.llama.hidden)
    return {"embed_tokens.weight": table} | {name: value.detach() for name, value in stack.state_dict().items()}


def speaking(bundle: Bundle) -> Bundle:
    """With a decoder tokenizer that knows where a text ends."""
    settings = TokenizerSettings(pad=3, end=0, max_tokens=64)
    return replace(bundle, decoder_tokenizer=Tokenizer(bundle.query_tokenizer.definition, settings))
