"""Zero-shot classification: clips and names in, ranked names out (paper, section 4.2)."""

from collections.abc import Sequence

from vljepa.embedder import Embedder
from vljepa.tasks.candidates import Ranking, checked_candidates, rankings
from vljepa.types import Clip


def classify(embedder: Embedder, clips: Sequence[Clip], *, labels: Sequence[str], query: str = "") -> list[Ranking]:
    """For each clip the labels by their cosine with what the model predicts, with calibrated probabilities.

    ValueError for an empty label (its position is named) and for labels that stand there twice.
    """
    names = checked_candidates(labels, what="label")
    return rankings(embedder, clips, candidates=names, query=query.strip())
