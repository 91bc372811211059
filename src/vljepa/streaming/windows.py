"""From single frames to overlapping windows, in bounded memory and without looking ahead.

A frame is handed on as the object that came in, with a number that never changes, so that an X-Encoder that works
frame by frame can encode each frame once although several windows hold it.
"""

import math
from bisect import bisect_right
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from jaxtyping import Shaped
from torch import Tensor

# Times are compared in whole microseconds: a pts of 1/30 s and a grid of 1/10 s meet there and not in floats.
_TICKS = 1_000_000


@dataclass(frozen=True, kw_only=True, eq=False)
class Window:
    """A stretch of a stream from `start` to `end` in seconds and the frames that stand for it.

    `numbers` counts frames from the beginning of the stream; a frame can stand for several instants of its window.
    """

    start: float
    end: float
    numbers: tuple[int, ...]
    times: tuple[float, ...]
    frames: tuple[Shaped[Tensor, "..."], ...]


class _Frame(NamedTuple):
    number: int
    time: float
    ticks: int
    pixels: Shaped[Tensor, "..."]


class _Grid(NamedTuple):
    """Where the windows of a stream lie; the first starts with the first frame."""

    origin: float
    window: float
    hop: float
    num_frames: int

    def start(self, place: int) -> float:
        return self.origin + place * self.hop

    def end(self, place: int) -> float:
        return self.start(place) + self.window

    def first_ending_from(self, time: float) -> int:
        """Place of the first window that does not end before a time."""
        return max(0, math.floor((time - self.end(0)) / self.hop))


def windows(
    frames: Iterator[tuple[float, Shaped[Tensor, "..."]]], *, window: float, hop: float, num_frames: int
) -> Iterator[Window]:
    """Windows of `window` seconds, one every `hop` seconds, each as soon as its last frame is known.

    A window is divided into `num_frames` equal parts; for each part stands the frame that is seen at its end: the
    latest of the window that is no later. Where `hop` is a multiple of the part, windows share frames.
    No window holds a frame later than its end. A window without frames (a camera that stopped) is left out. What
    remains after the last whole window, or a stream shorter than one, becomes a last window that ends with the
    stream. Memory: the frames of one window, so hand them over at the size the model sees.
    ValueError where a setting is not above zero or the time of a frame runs backwards.
    """
    if not (0 < window < math.inf and 0 < hop < math.inf and num_frames >= 1):
        raise ValueError(
            f"window {window} s, hop {hop} s, {num_frames} frames: window and hop must be above 0, frames at least 1"
        )
    return _windows(frames, window=window, hop=hop, num_frames=num_frames)


def _windows(
    frames: Iterator[tuple[float, Shaped[Tensor, "..."]]], *, window: float, hop: float, num_frames: int
) -> Iterator[Window]:
    held: deque[_Frame] = deque()
    grid: _Grid | None = None
    place, newest, handed_out = 0, -1, -1
    for frame in _numbered(frames):
        grid = grid or _Grid(frame.time, window, hop, num_frames)
        # Twice: before the frame is held for windows that end earlier, after it for one that ends with it.
        for due in (frame.ticks - 1, frame.ticks):
            if due == frame.ticks:
                held.append(frame)
                newest = frame.number
            while _ticks(grid.end(place)) <= due:
                _forget(held, before=grid.start(place))
                if held:
                    yield _window(held, start=grid.start(place), end=grid.end(place), num_frames=num_frames)
                    handed_out = newest
                    place += 1
                else:
                    place = max(place + 1, grid.first_ending_from(frame.time))
        _forget(held, before=grid.start(place))
    if grid and held and handed_out < newest:
        yield _window(held, start=grid.start(place), end=held[-1].time, num_frames=num_frames)


def _numbered(frames: Iterator[tuple[float, Shaped[Tensor, "..."]]]) -> Iterator[_Frame]:
    """Number the frames and see that time does not run backwards."""
    latest = -math.inf
    for number, (time, pixels) in enumerate(frames):
        if not (math.isfinite(time) and time >= latest):
            raise ValueError(f"frame {number} is of {time} s after {latest} s: sort the frames, or start a new stream")
        latest = time
        yield _Frame(number, time, _ticks(time), pixels)


def _forget(held: deque[_Frame], *, before: float) -> None:
    """Let go of the frames that lie before a time; no later window can hold them."""
    while held and held[0].ticks < _ticks(before):
        held.popleft()


def _window(held: deque[_Frame], *, start: float, end: float, num_frames: int) -> Window:
    """The window of the held frames; all of them lie between its start and its end."""
    ticks = [frame.ticks for frame in held]
    instants = [_ticks(start + (part + 1) * (end - start) / num_frames) for part in range(num_frames)]
    # An instant before the first frame of the window is given to that frame.
    chosen = [held[max(bisect_right(ticks, instant) - 1, 0)] for instant in instants]
    return Window(
        start=start,
        end=end,
        numbers=tuple(frame.number for frame in chosen),
        times=tuple(frame.time for frame in chosen),
        frames=tuple(frame.pixels for frame in chosen),
    )


def _ticks(time: float) -> int:
    return round(time * _TICKS)
