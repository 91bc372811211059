"""From what is asked to moments: candidates of the engine, their probabilities, near-duplicates merged, questions."""

import fnmatch
import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from vljepa.data.errors import MediaError
from vljepa.embedder import Embedder
from vljepa.index.engines.protocol import Engine, Where
from vljepa.index.records import Medium, SegmentRow
from vljepa.index.store import Store
from vljepa.streaming.triggers import background
from vljepa.tasks.calibration import calibrated
from vljepa.types import Clip, check_text

MOST_HITS = 1000
# Candidates for each hit: some fall away as near-duplicates or change places when they are asked a question.
_CANDIDATES, _SPARE = 4, 32
SAME_COSINE = 0.98
# So many times the hits that are wanted are asked a question.
_ASKED_AGAIN = 3

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is looked for, and where; see `Library.search`."""

    text: str | None = None
    like: Path | bytes | None = None
    question: str | None = None
    top: int = 10
    path: str | None = None
    start: float | None = None
    end: float | None = None
    min_seconds: float | None = None
    max_seconds: float | None = None

    def __post_init__(self) -> None:
        if self.text is None and self.like is None:
            raise ValueError("there is nothing to look for: give a text, an example (--like), or both")
        if self.text is not None:
            check_text(self.text, what="the text")
        if self.question is not None:
            check_text(self.question, what="the question")
        if not 1 <= self.top <= MOST_HITS:
            raise ValueError(f"{self.top} hits are asked for: ask for 1 to {MOST_HITS}")
        for low, high, what in ((self.start, self.end, "range"), (self.min_seconds, self.max_seconds, "length")):
            _check_order(low, high, what)


def _check_order(low: float | None, high: float | None, what: str) -> None:
    if math.isnan(low or 0.0) or math.isnan(high or 0.0):
        raise ValueError(f"the {what} begins or ends at what is no number: give seconds")
    if low is not None and high is not None and low > high:
        raise ValueError(f"the {what} begins at {low:g} s and ends at {high:g} s: swap them")


@dataclass(frozen=True, kw_only=True)
class Hit:
    """A moment: segment number, file, seconds, the probability that it is what was asked for, and the plain cosine.

    `same`: how many further candidates looked the same and were merged into this one.
    """

    id: int
    media: str
    start: float
    end: float
    score: float
    cosine: float
    caption: str | None
    same: int = 0

    @property
    def link(self) -> str:
        """An address that players and browsers open at the second; to the millisecond, and never with an exponent."""
        address = Path(self.media).absolute().as_uri()
        if self.end <= self.start:
            return address
        start, end = (f"{seconds:.3f}".rstrip("0").rstrip(".") for seconds in (self.start, self.end))
        return f"{address}#t={start},{end}"


@dataclass(frozen=True, kw_only=True)
class Found:
    """Hits, best first, and the probability that none of them is what was asked for."""

    hits: tuple[Hit, ...]
    no_match: float


@dataclass(frozen=True, kw_only=True, eq=False)
class _Candidate:
    segment: SegmentRow
    vector: Float[Tensor, "dim"]
    cosine: float


def find(asked: Asked, store: Store, engine: Engine, embedder: Embedder) -> Found:
    """The moments that fit best."""
    media = _allowed(asked, store.media)
    where = Where(media=None if media is None else frozenset(media), start=asked.start, end=asked.end)
    wanted = _wanted(asked, embedder)
    hits = _merged(_scored(_candidates(asked, wanted, where, store, engine), wanted, store, embedder))
    if asked.question is not None:
        hits = _asked_again(hits[: _ASKED_AGAIN * asked.top], asked, embedder)
    hits = hits[: asked.top]
    return Found(hits=tuple(hits), no_match=1 - max((hit.score for hit in hits), default=0.0))


def _allowed(asked: Asked, media: Callable[[], Sequence[Medium]]) -> list[int] | None:
    """The media that may be found; None for all."""
    if asked.path is None and asked.min_seconds is None and asked.max_seconds is None:
        return None
    low = -1.0 if asked.min_seconds is None else asked.min_seconds
    high = float("inf") if asked.max_seconds is None else asked.max_seconds
    pattern = "*" if asked.path is None else asked.path
    pattern = pattern if "*" in pattern or "?" in pattern else f"*{pattern}*"
    pattern = pattern.replace("[", "[[]")  # a bracket is a letter like any other
    return [
        medium.id for medium in media() if low <= medium.seconds <= high and fnmatch.fnmatchcase(medium.path, pattern)
    ]


def _wanted(asked: Asked, embedder: Embedder) -> Float[Tensor, "part dim"]:
    """The text's embedding, the example's, or both."""
    parts = []
    if asked.text is not None:
        parts.append(embedder.texts([asked.text.strip()])[0])
    if asked.like is not None:
        parts.append(embedder.predict_clips([embedder.clip(asked.like)])[0])
    return torch.stack(parts).float().cpu()


def _candidates(
    asked: Asked, wanted: Float[Tensor, "part dim"], where: Where, store: Store, engine: Engine
) -> list[_Candidate]:
    """The best segments, each with that of its vectors that fits best."""
    direction = normalize(wanted.sum(0, keepdim=True), dim=1).numpy()
    (found,) = engine.search(direction, _CANDIDATES * asked.top + _SPARE, where)
    owners = store.owners([one.id for one in found])
    best: dict[int, _Candidate] = {}
    kept = [one for one in found if one.id in owners]
    vectors = torch.from_numpy(engine.get(np.array([one.id for one in kept], np.int64))) if kept else torch.empty(0)
    for one, vector in zip(kept, vectors, strict=True):
        number = owners[one.id]
        segment = store.segment(number) if number not in best else None
        if segment is not None:
            best[number] = _Candidate(segment=segment, vector=vector, cosine=one.cosine)
    return list(best.values())


def _scored(
    found: Sequence[_Candidate], wanted: Float[Tensor, "part dim"], store: Store, embedder: Embedder
) -> list[tuple[Hit, Float[Tensor, "dim"]]]:
    """Hits by the probability that they show what is wanted rather than what everyday captions say, or nothing of it.

    Where a text and an example are wanted, the one that fits worse decides.
    """
    bank = embedder.texts(background()).float().cpu()
    hits = []
    for candidate in found:
        medium = store.medium(candidate.segment.media)
        assert medium is not None, "segments go with their media"
        pair = embedder.calibration.of(moving=medium.kind == "video", asked=False)
        usual = bank @ candidate.vector
        scores = [
            float(calibrated(torch.cat([cosine[None], usual]), pair).probabilities[0])
            for cosine in wanted @ candidate.vector
        ]
        hits.append((_hit(candidate, min(scores), medium), candidate.vector))
    return sorted(hits, key=lambda scored: -scored[0].score)


def _asked_again(hits: Sequence[Hit], asked: Asked, embedder: Embedder) -> list[Hit]:
    """The hits by how well what they answer to the question fits the text, or else what the example answers to it."""
    assert asked.question is not None, "the caller has asked whether there is one"
    question = asked.question.strip()
    hits, clips = _still_there(hits, embedder)
    if not clips:
        return []
    if asked.text is not None:
        target = embedder.texts([asked.text.strip()])[0]
    else:
        assert asked.like is not None, "there is a text or an example"
        target = embedder.predict_clips([embedder.clip(asked.like)], question)[0]
    cosines, calibration = (embedder.predict_clips(clips, question) @ target).cpu(), embedder.calibration
    again = [
        replace(
            hit,
            cosine=float(cosine),
            score=float(calibrated(cosine[None], calibration.of(moving=clip.moving, asked=True)).probabilities[0]),
        )
        for hit, clip, cosine in zip(hits, clips, cosines, strict=True)
    ]
    return sorted(again, key=lambda hit: -hit.score)


def _still_there(hits: Sequence[Hit], embedder: Embedder) -> tuple[list[Hit], list[Clip]]:
    """Hits whose media can still be read, and what they show; the others are told of."""
    there: list[Hit] = []
    clips: list[Clip] = []
    for hit in hits:
        try:
            clips.append(_clip(hit, embedder))
            there.append(hit)
        except MediaError as error:
            logger.warning("a hit cannot be asked (%s): bring the library up to date with `vljepa index`", error)
    return there, clips


def _clip(hit: Hit, embedder: Embedder) -> Clip:
    if hit.end <= hit.start:
        return embedder.clip(Path(hit.media))
    return embedder.clip(Path(hit.media), start=hit.start, end=hit.end)


def _hit(candidate: _Candidate, score: float, medium: Medium) -> Hit:
    segment = candidate.segment
    return Hit(
        id=segment.id,
        media=medium.path,
        start=segment.start,
        end=segment.end,
        score=score,
        cosine=candidate.cosine,
        caption=segment.caption,
    )


def _merged(hits: Sequence[tuple[Hit, Float[Tensor, "dim"]]]) -> list[Hit]:
    """Hits that look like a better one are counted there."""
    kept: list[Hit] = []
    vectors: list[Tensor] = []
    for hit, vector in hits:
        like = torch.stack(vectors) @ vector if vectors else torch.zeros(0)
        if len(like) and float(like.max()) >= SAME_COSINE:
            place = int(like.argmax())
            kept[place] = replace(kept[place], same=kept[place].same + 1)
        else:
            kept.append(hit)
            vectors.append(vector)
    return kept
