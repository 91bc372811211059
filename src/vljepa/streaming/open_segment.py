"""The windows of a running stream since its latest cut: the latest one by one, those before as their sum."""

import math
from collections import deque
from itertools import islice
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float64
from numpy import ndarray

from vljepa.streaming.changes import Spacing, spacing
from vljepa.streaming.selective import DecodePoint, lies_in
from vljepa.types import Segment


class Place(NamedTuple):
    """A window's embedding (of length one) and where it lies, in seconds."""

    row: Float64[ndarray, "dim"]
    start: float
    end: float

    @property
    def middle(self) -> float:
        """The middle second of the window."""
        return (self.start + self.end) / 2


class OpenSegment:
    """A segment that has begun and has no end yet; `keep` windows at most are held one by one.

    Windows are counted from the beginning of the stream: `first` is the segment's first, `oldest` the first of those
    that are held, `last` the one that will come next.
    """

    def __init__(self, window: Place, *, keep: int) -> None:
        self.first = 0
        self._keep = keep
        self._edge = window.start
        self._first_middle = window.middle
        self._held = deque([window])
        self.older = np.zeros_like(window.row)
        self.num_older = 0
        self._inside = np.zeros_like(window.row)
        self._num_inside = 0

    @property
    def oldest(self) -> int:
        """Number in the stream of the first window that is held."""
        return self.first + self.num_older

    @property
    def last(self) -> int:
        """Number in the stream of the window after the latest."""
        return self.oldest + len(self._held)

    @property
    def latest(self) -> Place:
        """The latest window."""
        return self._held[-1]

    @property
    def spacing(self) -> Spacing:
        """How the latest windows overlap."""
        hop = self.latest.middle - self._held[-2].middle if len(self._held) > 1 else 0.0
        return spacing(self.latest.end - self.latest.start, hop)

    def __len__(self) -> int:
        return self.num_older + len(self._held)

    def add(self, window: Place) -> None:
        """The next window; the oldest one that is held may become part of the sum."""
        self._held.append(window)
        if len(self._held) > self._keep:
            oldest = self._held.popleft()
            self.older = self.older + oldest.row
            self.num_older += 1
            if lies_in(oldest.start, oldest.end, self._edge, math.inf):
                self._inside = self._inside + oldest.row
                self._num_inside += 1

    def rows(self, most: int | None = None) -> Float64[ndarray, "time dim"]:
        """The embeddings of the windows that are held, or of the latest of them."""
        skipped = 0 if most is None else max(0, len(self._held) - most)
        return np.stack([window.row for window in islice(self._held, skipped, None)])

    def split(self, boundary: int) -> DecodePoint:
        """End the segment before the window `boundary`, which is held; what follows is the open segment from then on.

        The two meet halfway between the middles of the windows on both sides, as offline.
        """
        before = [self._held.popleft() for _ in range(boundary - self.oldest)]
        after = self._held[0]
        edge = (before[-1].middle + after.middle) / 2
        point = self._point(before, last=boundary, edge=edge)
        self.first, self._edge, self._first_middle = boundary, edge, after.middle
        self.older, self.num_older = np.zeros_like(self.older), 0
        self._inside, self._num_inside = np.zeros_like(self.older), 0
        return point

    def close(self) -> DecodePoint:
        """End the segment with the latest window, where the stream ends."""
        return self._point(list(self._held), last=self.last, edge=self.latest.end)

    def _point(self, windows: list[Place], *, last: int, edge: float) -> DecodePoint:
        """What is to be decoded of the older windows and these: as in `decode_point`, from the inner ones."""
        middle = (self._first_middle + windows[-1].middle) / 2
        inside = [window.row for window in windows if lies_in(window.start, window.end, self._edge, edge)]
        if not inside and not self._num_inside:
            inside = [min(windows, key=lambda window: round(abs(window.middle - middle), 6)).row]
        total = self._inside + np.sum(inside, axis=0)
        length = np.linalg.norm(total)
        if not length:
            raise ValueError(
                f"the embeddings from {self._edge:g} to {edge:g} s cancel each other out: they are no model's"
            )
        return DecodePoint(
            time=middle,
            segment=Segment(start=self._edge, end=edge, first=self.first, last=last),
            embedding=torch.from_numpy(total / length).to(torch.float32),
        )
