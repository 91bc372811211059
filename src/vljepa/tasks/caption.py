"""Captions: clips in, the decoded text of their predicted embeddings out, with how well it keeps their meaning."""

from collections.abc import Sequence
from dataclasses import dataclass

from vljepa.embedder import Embedder
from vljepa.types import Clip


@dataclass(frozen=True, kw_only=True)
class Caption:
    """`fidelity`: cosine between the predicted embedding and the caption encoded again; low means a poor caption."""

    caption: str
    fidelity: float


def caption(embedder: Embedder, clips: Sequence[Clip], *, query: str = "") -> list[Caption]:
    """What the model says of each clip, query-free or in answer to an instruction."""
    embeddings = embedder.predict_clips(clips, query.strip())
    said = embedder.decode(embeddings)
    fidelities = embedder.fidelity(embeddings, said)
    return [Caption(caption=text, fidelity=fidelity) for text, fidelity in zip(said, fidelities, strict=True)]
