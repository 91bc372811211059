"""Retrieval in both directions: the clips that fit a text best, the texts that fit a clip best (paper, section 4.3)."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Hit:
    """The position of what was found in its pool, and its cosine with what was looked for."""

    position: int
    cosine: float


def retrieve(wanted: Float[Tensor, "dim"], pool: Float[Tensor, "item dim"], *, num_hits: int = 10) -> list[Hit]:
    """The items of a pool that lie nearest to a wanted embedding, best first, at most `num_hits`.

    Clips to a text: `wanted` from `Embedder.texts`, `pool` from `Embedder.predict_clips`; texts to a clip the other way
    round. All of length one.
    """
    if num_hits < 1:
        raise ValueError(f"{num_hits} hits are asked for: ask for at least one")
    found = torch.topk(pool @ wanted, min(num_hits, len(pool)))
    return [
        Hit(position=position, cosine=cosine)
        for position, cosine in zip(found.indices.tolist(), found.values.tolist(), strict=True)
    ]
