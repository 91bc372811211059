"""Texts to choose among: read from the user, checked, ranked against an embedding."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from vljepa.embedder import Embedder
from vljepa.tasks.calibration import calibrated
from vljepa.types import Clip
from vljepa.weights.calibration import Pair


@dataclass(frozen=True, kw_only=True)
class Score:
    """A candidate, its cosine with the predicted embedding, and its calibrated probability."""

    label: str
    cosine: float
    probability: float


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """All candidates, best first, and the probability that it is none of them."""

    scores: tuple[Score, ...]
    none_of_these: float


def checked_candidates(candidates: Sequence[str], *, what: str) -> list[str]:
    """The texts without outer blanks; ValueError for none at all, an empty one, or one that stands there twice."""
    stripped = [candidate.strip() for candidate in candidates]
    if not stripped:
        raise ValueError(f"there is no {what}: give at least one")
    if "" in stripped:
        raise ValueError(f"{what} number {stripped.index('') + 1} is empty: write at least one word, or take it out")
    twice = [text for text, times in Counter(stripped).items() if times > 1]
    if twice:
        names = ", ".join(repr(text) for text in twice[:5]) + (" ..." if len(twice) > 5 else "")
        raise ValueError(f"each {what} may stand there once, and these stand there more often: {names}")
    return stripped


def rankings(embedder: Embedder, clips: Sequence[Clip], *, candidates: Sequence[str], query: str) -> list[Ranking]:
    """Checked candidates by their cosine with what is predicted of each clip, best first; ties keep the order given."""
    embeddings = embedder.predict_clips(clips, query)
    pairs = [embedder.calibration.of(moving=clip.moving, asked=bool(query)) for clip in clips]
    texts = embedder.texts(candidates)
    cosines = [(texts @ embedding).cpu() for embedding in embeddings]
    return [_ranking(row, candidates, pair) for row, pair in zip(cosines, pairs, strict=True)]


def _ranking(cosines: Float[Tensor, "candidate"], candidates: Sequence[str], pair: Pair) -> Ranking:
    shares = calibrated(cosines, pair)
    scores = [
        Score(label=label, cosine=cosine, probability=probability)
        for label, cosine, probability in zip(candidates, cosines.tolist(), shares.probabilities.tolist(), strict=True)
    ]
    scores.sort(key=lambda score: -score.cosine)
    return Ranking(scores=tuple(scores), none_of_these=shares.none_of_these)
