"""What a way of decoding is worth: CIDEr-D of the nearest output, boundaries, coverage, and decodes that it saves."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float64
from numpy import ndarray

from vljepa.embedder import DECODES_AT_ONCE, Embedder
from vljepa.evaluation.benchmarks.selective.footage import AnnotatedStream
from vljepa.evaluation.benchmarks.selective.methods import Condition, Watcher
from vljepa.evaluation.captions import cider_d, reference_corpus
from vljepa.evaluation.metrics import boundary_f1
from vljepa.streaming.selective import DecodePoint, coverage

# A boundary counts as found within the half of a window on both sides.
TOLERANCE = 1.0
RESAMPLES = 1000
Report = Callable[[str], None]
PerStream = Float64[ndarray, "stream"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Scores:
    """What one condition reached on each stream of a set."""

    condition: Condition
    cider: PerStream
    boundary: PerStream
    coverage: PerStream
    decodes_per_second: PerStream


def score_all(
    streams: Sequence[AnnotatedStream], conditions: Sequence[Condition], embedder: Embedder, *, report: Report
) -> list[Scores]:
    """Every condition on every stream; an embedding is decoded once however many conditions choose it.

    Only outputs that are nearest to an annotation are decoded, since no other one is scored.
    """
    texts = _Texts(embedder)
    told: list[list[_Told]] = []
    for number, stream in enumerate(streams):
        watcher = Watcher(stream)
        told.append([_told(watcher.points(condition), stream, texts) for condition in conditions])
        if number % 10 == 9:
            report(f"segmented {number + 1} of {len(streams)} streams")
    texts.decode_all(report)
    report(f"{texts.num_distinct} different texts scored")
    ciders = _ciders(streams, told, texts)
    return [
        Scores(
            condition=condition,
            cider=np.array([ciders[place][number] for place in range(len(streams))]),
            boundary=np.array([row[number].boundary for row in told]),
            coverage=np.array([row[number].coverage for row in told]),
            decodes_per_second=np.array([row[number].decodes_per_second for row in told]),
        )
        for number, condition in enumerate(conditions)
    ]


@dataclass(frozen=True, kw_only=True)
class _Told:
    """Of one condition on one stream: numbers of the embeddings nearest to the annotations, and what needs no text."""

    nearest: tuple[int, ...]
    boundary: float
    coverage: float
    decodes_per_second: float


class _Texts:
    """Embeddings to decode, each once; `said` holds their texts after `decode_all`."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._places: dict[bytes, int] = {}
        self._rows: list[torch.Tensor] = []
        self.said: list[str] = []

    def place(self, embedding: torch.Tensor) -> int:
        """The number of an embedding. Rounded to a thousandth of its length, far below what changes a word."""
        rounded = (embedding * 1000).round().to(torch.int16)
        key = rounded.numpy().tobytes()
        if key not in self._places:
            self._places[key] = len(self._rows)
            self._rows.append(embedding)
        return self._places[key]

    def decode_all(self, report: Report) -> None:
        """Decode what was asked for: the likeliest text alone, since there are tens of thousands."""
        for first in range(0, len(self._rows), DECODES_AT_ONCE):
            self.said += self._embedder.decode(torch.stack(self._rows[first : first + DECODES_AT_ONCE]), candidates=1)
            if first % (16 * DECODES_AT_ONCE) == 0:
                report(f"decoded {first} of {len(self._rows)} embeddings")

    @property
    def num_distinct(self) -> int:
        """How many different texts were said."""
        return len(set(self.said))


def _told(points: Sequence[DecodePoint], stream: AnnotatedStream, texts: _Texts) -> _Told:
    seconds = np.array([point.time for point in points])
    nearest = [int(np.abs(seconds - annotation.time).argmin()) for annotation in stream.annotations]
    found = [point.segment.start for point in points[1:]]
    return _Told(
        nearest=tuple(texts.place(points[place].embedding) for place in nearest),
        boundary=boundary_f1(found, list(stream.boundaries), tolerance=TOLERANCE).f1 if stream.boundaries else math.nan,
        coverage=coverage(stream.embeddings, points),
        decodes_per_second=len(points) / stream.seconds,
    )


def _ciders(streams: Sequence[AnnotatedStream], told: Sequence[Sequence[_Told]], texts: _Texts) -> list[list[float]]:
    """Mean CIDEr-D of each stream under each condition; a text is compared with an annotation's references once."""
    references = list({annotation.captions for stream in streams for annotation in stream.annotations})
    corpus = reference_corpus("references of the set's annotations, each clip once", references)
    pairs: dict[tuple[str, tuple[str, ...]], float] = {}
    for stream, row in zip(streams, told, strict=True):
        for one in row:
            for place, annotation in zip(one.nearest, stream.annotations, strict=True):
                pairs[texts.said[place], annotation.captions] = 0.0
    each = cider_d([said for said, _ in pairs], [true for _, true in pairs], corpus=corpus).each
    pairs.update(zip(pairs, each, strict=True))
    return [
        [
            math.fsum(
                pairs[texts.said[place], annotation.captions]
                for place, annotation in zip(one.nearest, stream.annotations, strict=True)
            )
            / len(stream.annotations)
            for one in row
        ]
        for stream, row in zip(streams, told, strict=True)
    ]


@dataclass(frozen=True, kw_only=True)
class Saving:
    """How many times fewer decodes reach the score of uniform decoding, with the interval over streams.

    `times` is None where no rate reaches it; `missed` is the share of resamples in which none did.
    """

    times: float | None
    low: float
    high: float
    missed: float


def saving(curve: Sequence[Scores], reference: Scores, *, seed: int = 0) -> Saving:
    """How many times fewer decodes a second than `reference` the curve needs for the same CIDEr-D.

    Between measured rates the score runs straight over the logarithm of the decodes. Streams are drawn again with
    replacement, for the curve and the reference alike; a resample that does not reach the score counts as 0.
    """
    num_streams = len(reference.cider)
    generator = np.random.default_rng(seed)
    drawn = generator.integers(0, num_streams, size=(RESAMPLES, num_streams))
    times = [_times(curve, reference, rows) or 0.0 for rows in drawn]
    low, high = np.quantile(times, [0.025, 0.975]).tolist()
    return Saving(
        times=_times(curve, reference, np.arange(num_streams)),
        low=low,
        high=high,
        missed=sum(value == 0 for value in times) / RESAMPLES,
    )


def _times(curve: Sequence[Scores], reference: Scores, rows: ndarray) -> float | None:
    wanted, spent = float(reference.cider[rows].mean()), float(reference.decodes_per_second[rows].mean())
    points = sorted((float(one.decodes_per_second[rows].mean()), float(one.cider[rows].mean())) for one in curve)
    if points[0][1] >= wanted:
        return spent / points[0][0]
    for (before, low), (after, high) in pairwise(points):
        if high >= wanted:
            share = (wanted - low) / (high - low)
            return spent / math.exp(math.log(before) + share * (math.log(after) - math.log(before)))
    return None


def interval(values: PerStream, *, seed: int = 0) -> tuple[float, float]:
    """Where the mean falls in 95 of 100 draws of the streams with replacement."""
    rows = np.random.default_rng(seed).integers(0, len(values), size=(RESAMPLES, len(values)))
    low, high = np.quantile(values[rows].mean(axis=1), [0.025, 0.975]).tolist()
    return float(low), float(high)


def curves_by_name(scores: Iterable[Scores]) -> dict[str, list[Scores]]:
    """Scores of one way and averaging together, by rate."""
    curves: dict[str, list[Scores]] = {}
    for one in scores:
        curves.setdefault(one.condition.name, []).append(one)
    return {name: sorted(curve, key=lambda one: one.condition.rate) for name, curve in curves.items()}
