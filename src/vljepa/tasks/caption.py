"""Captions: clips in, the decoded text of their predicted embeddings out, with how well it keeps their meaning."""

from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from vljepa.embedder import Embedder
from vljepa.types import Clip


@dataclass(frozen=True, kw_only=True)
class Caption:
    """`fidelity`: cosine between the predicted embedding and the caption encoded again; low means a poor caption.

    `unsure`: it lies below the line that was fitted for the model (`Calibration.unsure`).
    """

    caption: str
    fidelity: float
    unsure: bool


def caption(embedder: Embedder, clips: Sequence[Clip], *, query: str = "") -> list[Caption]:
    """What the model says of each clip, query-free or in answer to an instruction."""
    return put_into_words(embedder, embedder.predict_clips(clips, query.strip()))


def put_into_words(embedder: Embedder, embeddings: Float[Tensor, "batch dim"]) -> list[Caption]:
    """What predicted embeddings stand for."""
    said = embedder.decode(embeddings)
    return [
        Caption(caption=text, fidelity=fidelity, unsure=embedder.calibration.is_unsure(fidelity))
        for text, fidelity in zip(said, embedder.fidelity(embeddings, said), strict=True)
    ]
