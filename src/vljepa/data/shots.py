"""What every source of moving pictures offers, and two rules that pick frames from it: nearest in time, and on screen.

A shot is a frame with its second; its pixels are only converted when they are asked for.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from jaxtyping import UInt8
from torch import Tensor

# Seconds by which two times may differ and still be called equal: containers round to milliseconds at worst.
TOLERANCE = 1e-3


@dataclass(frozen=True, kw_only=True)
class Shot:
    """One frame at its second from the beginning; `pixels` makes its upright RGB."""

    seconds: float
    pixels: Callable[[], UInt8[Tensor, "height width 3"]] = field(repr=False)


class Footage(ABC):
    """Moving pictures that can be read from a given second on.

    `skipped` counts damaged packets. `live` footage is read once, from where it is; `remedy` is what to do where it
    has no frame that can be decoded.
    """

    name: str
    skipped: int
    live: bool = False
    remedy: str = "record it again"

    @property
    def real_time(self) -> bool:
        """Whether frames come as things happen, and not as fast as they are read."""
        return False

    @property
    @abstractmethod
    def rate(self) -> float:
        """Frames a second that the header claims or the source has on average; 0 if unknown."""

    @property
    @abstractmethod
    def duration(self) -> float | None:
        """Seconds that the header claims, None where it claims nothing."""

    @abstractmethod
    def shots_from(self, seconds: float | None) -> Iterator[Shot]:
        """Shots in order; the first is at or before `seconds` where the source has such a one."""

    @abstractmethod
    def seek_pays(self, position: float, seconds: float) -> bool:
        """Whether going to `seconds` anew decodes less than going on from `position`."""

    @abstractmethod
    def times(self, start: float | None, end: float | None) -> list[float]:
        """Seconds of all frames from start to end, both included, in order."""

    @abstractmethod
    def close(self) -> None:
        """Free file and decoder."""


def nearest_shots(footage: Footage, times: Sequence[float]) -> Iterator[Shot]:
    """For each of the ascending `times` the shot nearest to it; the earlier one where two are equally near."""
    shots = footage.shots_from(times[0])
    before: Shot | None = None
    after = next(shots, None)
    for seconds in times:
        if after is not None and seconds > after.seconds and footage.seek_pays(after.seconds, seconds):
            shots = footage.shots_from(seconds)
            before, after = None, next(shots, None)
        while after is not None and after.seconds < seconds:
            before, after = after, next(shots, None)
        nearest = _nearer(before, after, seconds)
        if nearest is None:
            return
        yield nearest


def _nearer(before: Shot | None, after: Shot | None, seconds: float) -> Shot | None:
    if before is None or after is None:
        return before or after
    return before if seconds - before.seconds <= after.seconds - seconds + TOLERANCE / 10 else after


def shots_on_screen(
    shots: Iterator[Shot], *, rate: float, start: float | None, end: float | None, last_lasts: float
) -> Iterator[Shot]:
    """The shot on screen at each 1/rate seconds from `start` (default: the first shot) until before `end`, in order.

    Causal: no later frame plays a part. The shot that comes last is on screen for `last_lasts` seconds.
    """
    first = next(shots, None)
    if first is None:
        return
    begin = first.seconds if start is None else max(start, first.seconds)
    tick = 0
    for shot, until in _with_end(first, shots, last_lasts):
        while begin + tick / rate < until - TOLERANCE:
            seconds = begin + tick / rate
            if end is not None and seconds >= end - TOLERANCE:
                return
            yield Shot(seconds=seconds, pixels=shot.pixels)
            tick += 1


def _with_end(first: Shot, rest: Iterator[Shot], last_lasts: float) -> Iterator[tuple[Shot, float]]:
    def chain() -> Iterator[Shot | None]:
        yield first
        yield from rest
        yield None

    for shot, following in pairwise(chain()):
        assert shot is not None, "only the last of the chain is None"
        yield shot, shot.seconds + last_lasts if following is None else following.seconds


def continuous(shots: Iterator[Shot], *, step: float, longest_gap: float | None) -> Iterator[Shot]:
    """The shots with clocks that were set back, or jumped by more than `longest_gap` seconds, joined on.

    Joined recordings and cameras restart their clock; a stream that trusted it would wait for ever.
    """
    shift, last = 0.0, None
    for shot in shots:
        seconds = shot.seconds + shift
        if last is not None and (seconds < last - 1.0 or (longest_gap is not None and seconds > last + longest_gap)):
            shift += last + step - seconds
            seconds = last + step
        if last is None or seconds > last:
            last = seconds
            yield Shot(seconds=seconds, pixels=shot.pixels)
