"""How the shared space begins: the published sentence encoder's, with its few loud directions made quieter.

Most of a sentence encoder's variance lies along a few directions, and all sentences share a part of their vectors. What
is left for telling captions apart is small beside both, and a prediction gains little by getting it right.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from vljepa.models.vljepa import VLJEPA
from vljepa.models.y_encoder import YEncoder
from vljepa.text import Tokenizer

AT_ONCE = 128
RIDGE = 1e-3


@torch.no_grad()
def whiten(model: VLJEPA, tokenizer: Tokenizer, texts: Sequence[str], *, power: float) -> None:
    """Let the Y-Encoder's head multiply each direction by its variance to `-power` (.5 whitens wholly, 0 nothing).

    The average variance keeps its size. Variances are those of `texts` before the head. ValueError for fewer texts than
    the encoder has dimensions: what they do not span would be blown up.
    """
    pooled = _pooled(model.y_encoder, model, tokenizer, texts)
    if len(pooled) <= pooled.shape[1]:
        raise ValueError(f"{len(pooled)} texts span no space of {pooled.shape[1]} dimensions: give several thousand")
    variances, directions = torch.linalg.eigh(pooled.T.cov())
    gains = (variances / variances.mean()).clamp(min=1e-2) ** -power
    head = model.y_encoder.head.weight
    head.copy_(head @ (directions * gains) @ directions.T)


@torch.no_grad()
def carry_over(model: VLJEPA, before: YEncoder, tokenizer: Tokenizer, texts: Sequence[str]) -> float:
    """Turn the Predictor's answers and what the Y-Decoder reads from the space of `before` to the Y-Encoder's own.

    The two linear maps fit both spaces' embeddings of `texts` (ridge regression). Returns the mean cosine of turned
    embeddings with the new ones. ValueError for fewer texts than the space has dimensions.
    """
    after = model.y_encoder
    if len(texts) <= after.head.out_features:
        raise ValueError(
            f"{len(texts)} texts span no space of {after.head.out_features} dimensions: give several thousand"
        )
    old, new = (_units(encoder, model, tokenizer, texts) for encoder in (before, after))
    turn, back = _ridge(old, new), _ridge(new, old)
    head, reading = model.predictor.head, model.y_decoder.prefix_projection
    head.weight.copy_(turn.T @ head.weight)
    head.bias.copy_(turn.T @ head.bias)
    reading.weight.copy_(reading.weight @ back.T)
    return float(functional.cosine_similarity(old @ turn, new).mean())


def _ridge(known: Float[Tensor, "text from"], wanted: Float[Tensor, "text to"]) -> Float[Tensor, "from to"]:
    squares = known.T @ known
    damping = RIDGE * squares.diagonal().mean() * torch.eye(len(squares), device=known.device)
    return torch.linalg.solve(squares + damping, known.T @ wanted)


def _units(
    encoder: YEncoder, model: VLJEPA, tokenizer: Tokenizer, texts: Sequence[str]
) -> Float[Tensor, "text shared"]:
    return functional.normalize(encoder.head(_pooled(encoder, model, tokenizer, texts)).float(), dim=-1)


@torch.no_grad()
def centre(model: VLJEPA, tokenizer: Tokenizer, texts: Sequence[str]) -> None:
    """Take away what embeddings of `texts` have in common; to be called when the head's weight is what it starts as."""
    head = model.y_encoder.head
    head.bias.copy_(-(head.weight @ _pooled(model.y_encoder, model, tokenizer, texts).mean(0)))


def _pooled(
    encoder: YEncoder, model: VLJEPA, tokenizer: Tokenizer, texts: Sequence[str]
) -> Float[Tensor, "text hidden"]:
    """Vectors before the head, in float32, short texts first: texts of like length waste little on padding."""
    device = model.token_table.weight.device
    texts = sorted(texts, key=len)
    parts = [texts[start : start + AT_ONCE] for start in range(0, len(texts), AT_ONCE)]
    return torch.cat([encoder.pooled(tokenizer(part).to(device)).float() for part in parts])
