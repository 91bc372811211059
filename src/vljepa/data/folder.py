"""A folder of frames as footage: its pictures in natural order, a fixed number of them a second."""

import math
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from jaxtyping import UInt8
from torch import Tensor

from vljepa.data.errors import MediaError
from vljepa.data.image import picture_suffixes, read_image
from vljepa.data.shots import TOLERANCE, Footage, Shot


class FrameFolder(Footage):
    """The pictures of a folder (not of folders in it), `fps` of them a second, the first at second 0.

    Each is only read when its pixels are asked for; one that is then found damaged is counted in `skipped`, and the one
    before it stays on screen. MediaError for a folder without pictures, or without `fps`: pictures have no times.
    """

    remedy = "save the pictures again"

    def __init__(self, folder: Path, *, fps: float | None, size: int | None = None) -> None:
        self.name = str(folder)
        self._damaged: set[Path] = set()
        self._size = size
        self._paths = sorted(_pictures(folder), key=natural_key)
        if not self._paths:
            raise MediaError(f"{folder} is a folder without pictures: give a folder of frames, or a video file")
        if fps is None:
            raise MediaError(f"{folder} is a folder of {len(self._paths)} frames without times: give the fps (--fps)")
        if not 0 < fps < math.inf:
            raise MediaError(f"{folder}: the fps is {fps:g}: give the frames a second, above 0")
        self._fps = fps
        self._good: UInt8[Tensor, "height width 3"] | None = None

    @property
    def skipped(self) -> int:  # type: ignore[override]
        """Damaged pictures so far, each once, however often its second was asked for."""
        return len(self._damaged)

    @property
    def rate(self) -> float:
        """Frames a second, as they were given."""
        return self._fps

    @property
    def duration(self) -> float:
        """Seconds from the first frame to where the last one ends."""
        return len(self._paths) / self._fps

    def shots_from(self, seconds: float | None) -> Iterator[Shot]:
        """Shots in order, from the readable frame that is on screen at `seconds`."""
        for index in range(self._first(seconds), len(self._paths)):
            yield Shot(seconds=index / self._fps, pixels=partial(self._pixels, self._paths[index]))

    def _first(self, seconds: float | None) -> int:
        """The frame on screen at `seconds`, or the next after it that can be read; those between are counted."""
        first = math.floor(((seconds or 0.0) + TOLERANCE) * self._fps)
        for index in range(min(first, len(self._paths) - 1), len(self._paths)):
            try:
                self._good = read_image(self._paths[index], size=self._size)
            except MediaError:
                self._damaged.add(self._paths[index])
            else:
                return index
        return len(self._paths)

    def _pixels(self, path: Path) -> UInt8[Tensor, "height width 3"]:
        try:
            self._good = read_image(path, size=self._size)
        except MediaError:
            self._damaged.add(path)
        assert self._good is not None, "the first shot can be read"
        return self._good

    def seek_pays(self, position: float, seconds: float) -> bool:
        """Where a frame lies between: going anywhere costs nothing."""
        return seconds - position > 1 / self._fps

    def times(self, start: float | None, end: float | None) -> list[float]:
        """Seconds of the frames from start to end, both included."""
        low = float("-inf") if start is None else start - TOLERANCE
        high = float("inf") if end is None else end + TOLERANCE
        return [index / self._fps for index in range(len(self._paths)) if low <= index / self._fps <= high]

    def close(self) -> None:
        """Nothing stays open between two frames."""


def natural_key(path: Path) -> tuple[list[tuple[str, int]], str]:
    """Sorts names as people count: frame2 before frame10; the name itself decides between frame1 and frame01."""
    parts = re.findall(r"(\D*)(\d*)", path.name.lower())
    return [(words, int(digits or -1)) for words, digits in parts], path.name


def _pictures(folder: Path) -> Iterator[Path]:
    suffixes = picture_suffixes()
    for path in folder.iterdir():
        if path.suffix.lower() in suffixes and not path.name.startswith(".") and path.is_file():
            yield path
