"""Decode points in, descriptions out: neighbours that say the same become one, also while the stream is running."""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import torch

from vljepa.embedder import DECODES_AT_ONCE, Embedder
from vljepa.streaming.selective import DecodePoint


@dataclass(frozen=True, kw_only=True)
class Description:
    """What is said of a stretch of a stream; `time` is the second that was decoded. No caption: nothing was decoded.

    `unsure`: the fidelity lies below the line that was fitted for the model.
    """

    start: float
    end: float
    time: float
    caption: str | None = None
    fidelity: float | None = None
    unsure: bool = False


class Narrator:
    """Says what a stream shows, with the number of decodes that it took until now and their seconds.

    The latest description is held back until the next one says something else, since a repeated caption extends it.
    `silent`: nothing is decoded, and each point gets a description without a caption.
    """

    def __init__(self, embedder: Embedder, *, silent: bool) -> None:
        self.decodes = 0
        self.seconds_decode = 0.0
        self._embedder = embedder
        self._silent = silent
        self._waiting: list[DecodePoint] = []
        self._held: list[Description] = []

    def tell(self, points: Sequence[DecodePoint]) -> Iterator[Description]:
        """Decode the next points, in time order, while this is iterated: the descriptions that are finished by them.

        They come some at a time, so that what stops the decoding costs none of those before it.
        """
        # Kept until they are told, so that Ctrl-C in the middle of decoding loses none of them.
        self._waiting += points
        while self._waiting:
            some = self._waiting[:DECODES_AT_ONCE]
            if self._silent:
                told = list(map(_undecoded, some))
            else:
                *told, latest = joined([*self._held, *self._decoded(some)])
                self._held = [latest]
            self._waiting = self._waiting[DECODES_AT_ONCE:]
            yield from told

    def finish(self) -> list[Description]:
        """What was held back, then, without captions, what was never decoded; the stream is over."""
        left = [*self._held, *map(_undecoded, self._waiting)]
        self._held, self._waiting = [], []
        return left

    def _decoded(self, points: Sequence[DecodePoint]) -> list[Description]:
        embeddings = torch.stack([point.embedding for point in points])
        begin = time.perf_counter()
        captions = self._embedder.decode(embeddings)
        self.seconds_decode += time.perf_counter() - begin
        self.decodes += len(points)
        fidelities = self._embedder.fidelity(embeddings, captions)
        is_unsure = self._embedder.calibration.is_unsure
        return [
            replace(_undecoded(point), caption=caption, fidelity=fidelity, unsure=is_unsure(fidelity))
            for point, caption, fidelity in zip(points, captions, fidelities, strict=True)
        ]


def joined(descriptions: Iterable[Description]) -> list[Description]:
    """Neighbours with the same caption as one, with time and fidelity of the most faithful of them."""
    merged = []
    for _, group in groupby(descriptions, key=lambda description: description.caption):
        same = list(group)
        best = max(same, key=lambda description: description.fidelity or 0.0)
        merged.append(replace(best, start=same[0].start, end=same[-1].end))
    return merged


def _undecoded(point: DecodePoint) -> Description:
    return Description(start=point.segment.start, end=point.segment.end, time=point.time)
