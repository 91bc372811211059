"""When to decode a stream that is still running: causal, in bounded memory, within a budget of decodes.

Offline segments (`selective`) need the whole stream. Here each window is pushed when it is there, and a segment comes
out soon after its end. The paper only sketches this (section 2: smooth, decode on a significant shift); thresholds,
budget and the clustering rule are ours.
"""

import math
from collections import deque
from dataclasses import dataclass
from typing import get_args

import numpy as np
from jaxtyping import Float
from torch import Tensor

from vljepa.streaming.changes import QUIET
from vljepa.streaming.chooser import pushed
from vljepa.streaming.cuts import RULES, Cut, Method
from vljepa.streaming.open_segment import OpenSegment, Place
from vljepa.streaming.selective import DecodePoint, WindowTimes

MINUTE = 60.0

# Where the threshold begins, and by which share (of a logarithm) one decode raises it.
_FIRST_THRESHOLD = 0.1
_STEP = 0.25
# The share of the budget that the threshold aims at: who always spends all has nothing left for the largest change.
_AIM = 0.7
# After a cut the worth has to fall below this share of the threshold before the next one counts.
_RELEASE = 0.5


@dataclass(frozen=True, kw_only=True)
class OnlineSettings:
    """How to cut a running stream.

    `method`: what makes a cut worth something, see `cuts`. `rate`: decodes a second that may be spent, in no minute
    more. `smooth`: windows averaged on each side of a cut, also the fewest in a segment (the minimum gap). `keep`:
    windows that are held one by one; no cut is made before them. `quiet`: cosine distance between the two sides of a
    cut below which nothing has happened, however much of the budget is left.
    """

    method: Method = "clear"
    rate: float = 0.2
    smooth: int = 2
    keep: int = 128
    quiet: float = QUIET

    def __post_init__(self) -> None:
        if self.method not in get_args(Method):
            raise ValueError(f"unknown online method {self.method!r}: write one of {', '.join(get_args(Method))}")
        if not 0 < self.rate < math.inf:
            raise ValueError(f"the rate is {self.rate:g} decodes a second: give a number above 0")
        if not (self.smooth >= 1 and self.keep >= 4 * self.smooth):
            raise ValueError(f"smooth is {self.smooth} of {self.keep} windows kept: give 1 or more, keep 4 times it")
        if not 0 <= self.quiet < 2:
            raise ValueError(f"quiet is {self.quiet:g}: give a cosine distance from 0 to below 2")


class OnlineSegmenter:
    """Windows in, one by one; segments out, each with the embedding to decode, soon after they have ended.

    A cut is made where it is worth more than the threshold and no better one has come up for `smooth` windows. The
    threshold follows the budget: each decode raises it and time lowers it, so that most of the rate is spent on the
    largest changes, at whatever height those lie. Memory does not grow with the stream.
    """

    def __init__(self, settings: OnlineSettings | None = None) -> None:
        self.settings = settings or OnlineSettings()
        self._budget = Budget(self.settings.rate)
        self._threshold = _FIRST_THRESHOLD
        self._open: OpenSegment | None = None
        self._best: Cut | None = None
        self._best_since = 0
        self._latest_cut = -math.inf
        self._armed = True

    def push(self, embedding: Float[Tensor, "dim"], start: float, end: float) -> list[DecodePoint]:
        """The next window, from `start` to `end` in seconds: the segment that is finished by it, if there is one.

        ValueError for an embedding without direction and for a window that lies before the one pushed last.
        """
        window = self._checked(embedding, start, end)
        if self._open is None:
            self._open = OpenSegment(window, keep=self.settings.keep)
            self._budget.spend(end)
            return []
        passed = end - self._open.latest.end
        self._open.add(window)
        self._threshold *= math.exp(-_STEP * _AIM * self.settings.rate * passed)
        self._threshold = max(self._threshold, self.settings.quiet)
        self._look(self._open, now=end)
        if self._best is None or not self._is_due(self._best, self._open.last, now=end):
            return []
        return [self._cut(self._open, self._best, now=end)]

    def flush(self) -> list[DecodePoint]:
        """The segment that is still open, which ends with the stream; it was paid for when it opened."""
        if self._open is None:
            return []
        point = self._open.close()
        self._open = self._best = None
        return [point]

    def _look(self, opened: OpenSegment, *, now: float) -> None:
        """Follow the best cut since the latest one was made."""
        smooth = self.settings.smooth
        if len(opened) < 2 * smooth:
            return
        found = RULES[self.settings.method](opened, smooth)
        # When the next decode is due by the rate alone it counts in any case: some streams never calm down.
        waited = now - self._latest_cut >= 1 / self.settings.rate
        self._armed = self._armed or waited or found.worth < _RELEASE * self._threshold
        if not self._armed:
            return
        if self._best is not None and self._best.boundary <= opened.oldest:
            self._best = None
        if self._best is not None and found.boundary == self._best.boundary:
            self._best = found
        elif self._best is None or found.worth > self._best.worth:
            self._best, self._best_since = found, opened.last

    def _is_due(self, cut: Cut, last: int, *, now: float) -> bool:
        """Whether a cut is worth it, nothing better has come up for a while, and it can be paid."""
        settled = last - self._best_since >= self.settings.smooth
        return settled and cut.worth >= self._threshold and self._budget.allows(now)

    def _cut(self, opened: OpenSegment, cut: Cut, *, now: float) -> DecodePoint:
        self._budget.spend(now)
        self._threshold *= math.exp(_STEP)
        self._latest_cut, self._armed, self._best = now, False, None
        return opened.split(cut.boundary)

    def _checked(self, embedding: Float[Tensor, "dim"], start: float, end: float) -> Place:
        row = embedding.detach().cpu().double().numpy()
        length = float(np.linalg.norm(row))
        if not 0 < length < math.inf:
            raise ValueError(f"the embedding of the window from {start:g} s is zero or not finite: leave it out")
        window = Place(row / length, start, end)
        latest = self._open.latest if self._open else window
        if not (start <= end and latest.middle <= window.middle and latest.end <= end):
            raise ValueError(
                f"a window from {start:g} to {end:g} s comes after one that ends at {latest.end:g} s: "
                "push windows in time order, start first"
            )
        return window


class Budget:
    """Decodes that may be spent: in any minute (its last moment not included) no more than the rate allows.

    A rate of less than one decode a minute allows one in each stretch of 1 / rate seconds. A segment is paid for when
    it opens, so the one that is open when the stream ends costs nothing more.
    """

    def __init__(self, rate: float) -> None:
        self._seconds = max(MINUTE, 1 / rate)
        # A hair more: of rates such as 2.05 and 0.013 a minute or 1 / rate seconds fall short of a whole number.
        self._most = math.floor(rate * self._seconds + 1e-9)
        self._spent: deque[float] = deque()

    def allows(self, now: float) -> bool:
        """Whether one more may be spent at this second."""
        while self._spent and self._spent[0] <= now - self._seconds:
            self._spent.popleft()
        return len(self._spent) < self._most

    def spend(self, now: float) -> None:
        """Note that one was spent at this second."""
        self._spent.append(now)


def online_points(
    embeddings: Float[Tensor, "time dim"], times: WindowTimes, *, settings: OnlineSettings | None = None
) -> list[DecodePoint]:
    """What is decoded of a stream that is already there if it is played to an OnlineSegmenter; errors as in `push`."""
    segmenter = OnlineSegmenter(settings)
    return [*pushed(segmenter, embeddings, times), *segmenter.flush()]
