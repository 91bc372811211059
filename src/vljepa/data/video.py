"""Videos: frames at given seconds, or one frame every so often, from all that `sources` opens."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from vljepa.data.decoding import Decoder
from vljepa.data.errors import MediaError
from vljepa.data.image import resize_to
from vljepa.data.patient import Patient
from vljepa.data.sampling import Sampling, chosen_times
from vljepa.data.shots import Footage, Shot, continuous, nearest_shots, shots_on_screen
from vljepa.data.sources import open_footage
from vljepa.types import Clip

# Below this many seconds, or frames for each wanted one, every frame's time is read to choose exactly.
_SHORT_SECONDS = 60.0
_DENSE = 4
_LIVE_GAP_SECONDS = 10.0


@dataclass(frozen=True, kw_only=True)
class VideoInfo:
    """What a video says of itself: seconds, upright size, frames (None: not said), frames a second, degrees turned.

    `rotation` is counter-clockwise and already applied to width and height.
    """

    duration: float
    width: int
    height: int
    num_frames: int | None
    rate: float
    rotation: int


class Video:
    """An open video; use it in a `with` statement. `skipped` counts damaged packets met so far.

    `source` is what `open_footage` opens; a folder of frames needs its frames a second, `fps`. With `size` the short
    side of all frames is scaled to it while decoding; `patience` is the seconds that all decoding may take. MediaError
    where it cannot be opened.
    """

    def __init__(
        self,
        source: Path | bytes | str,
        *,
        size: int | None = None,
        fps: float | None = None,
        patience: float | None = None,
    ) -> None:
        footage = open_footage(source, size=size, fps=fps)
        self._footage = footage if patience is None else Patient(footage, seconds=patience)

    def __enter__(self) -> "Video":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Free file and decoder."""
        self._footage.close()

    @property
    def skipped(self) -> int:
        """Damaged packets that were passed over so far."""
        return self._footage.skipped

    @property
    def real_time(self) -> bool:
        """Whether frames come as things happen (a camera), and not as fast as they are read."""
        return self._footage.real_time

    @property
    def endless(self) -> bool:
        """Whether it is read once and says of no end: what comes is best looked at as it comes."""
        return self._footage.live and self._footage.duration is None

    def frames_at(self, times: Sequence[float]) -> Clip:
        """For each of the seconds, in the order given, the frame nearest to it by its presentation time.

        The clip's times are the frames' own. MediaError where the video has no frame that can be decoded.
        """
        if not times:
            raise ValueError("frames_at got no seconds: give at least one")
        ascending = sorted(range(len(times)), key=lambda position: times[position])
        chosen: list[tuple[float, UInt8[Tensor, "height width 3"]]] = []
        last: Shot | None = None
        for shot in nearest_shots(self._footage, [times[position] for position in ascending]):
            chosen.append(chosen[-1] if shot is last else (shot.seconds, shot.pixels()))
            last = shot
        if len(chosen) < len(times):
            raise _no_frames(self._footage)
        back = np.argsort(ascending)
        frames = _stack([chosen[i][1] for i in back])
        return Clip(frames=frames, times=torch.tensor([chosen[i][0] for i in back], dtype=torch.float32))

    def iterate(
        self, *, rate: float, start: float | None = None, end: float | None = None
    ) -> Iterator[tuple[float, UInt8[Tensor, "height width 3"]]]:
        """At each 1/rate seconds from start until before end: that second, and the frame on screen then.

        Causal and in order, with one decoded frame in memory; a frame that stays on screen is given again.
        """
        if not rate > 0:
            raise ValueError(f"the rate is {rate}: give the frames a second, more than 0")
        footage = self._footage
        step = 1 / footage.rate if footage.rate else 1 / rate
        shots = continuous(
            footage.shots_from(start), step=step, longest_gap=_LIVE_GAP_SECONDS if footage.live else None
        )
        any_shot = False
        for shot in shots_on_screen(shots, rate=rate, start=start, end=end, last_lasts=step):
            any_shot = True
            yield shot.seconds, shot.pixels()
        if not any_shot:
            raise _no_frames(footage) if start is None and end is None else _nothing_between(footage, start, end)

    def sample_times(
        self,
        num_frames: int,
        *,
        start: float | None = None,
        end: float | None = None,
        sampling: Sampling = "seconds",
    ) -> list[float]:
        """Seconds of the frames that stand for the range, by one of the rules of `data.sampling`.

        "seconds": at linspace(start, end, num_frames), both ends included, the middle for one (paper, frame sampling);
        a range with fewer frames than that gives each of them once and repeats the last. The others count frames.
        """
        if num_frames < 1:
            raise ValueError(f"num_frames is {num_frames}: ask for at least one frame")
        if sampling != "seconds":
            _check_range(start, end, name=self._footage.name)
            times = self._footage.times(start, end) or [self._between_frames(start, end)[0]]
            return chosen_times(sampling, times, wanted=num_frames)
        low, high, within = self._range(num_frames, start=start, end=end)
        if within is not None and 0 < len(within) < num_frames:
            return within + within[-1:] * (num_frames - len(within))
        if num_frames == 1:
            return [(low + high) / 2]
        return [float(second) for second in np.linspace(low, high, num_frames)]

    def _range(
        self, num_frames: int, *, start: float | None, end: float | None
    ) -> tuple[float, float, list[float] | None]:
        """First and last second to sample, and all frames between them where there are not many."""
        _check_range(start, end, name=self._footage.name)
        if self._is_long(num_frames, start=start, end=end):
            beginning = [start] if start is not None else self._footage.times(None, 1.0)
            last = self._last_time(end)
            if beginning and last >= beginning[0]:
                return beginning[0], last, None
        times = self._footage.times(start, end)
        if not times:
            return (*self._between_frames(start, end), None)
        return times[0] if start is None else start, times[-1], times

    def _is_long(self, num_frames: int, *, start: float | None, end: float | None) -> bool:
        duration, rate = self._footage.duration, self._footage.rate
        if duration is None:
            return False
        seconds = min(end if end is not None else duration, duration) - (start or 0.0)
        return seconds > _SHORT_SECONDS and seconds * rate > _DENSE * num_frames

    def _last_time(self, end: float | None) -> float:
        duration = self._footage.duration or 0.0
        latest = duration if end is None else min(end, duration)
        back = 2.0
        while back < 2 * latest:
            times = self._footage.times(max(latest - back, 0.0), end)
            if times:
                return times[-1]
            back *= 4
        return float("-inf")

    def _between_frames(self, start: float | None, end: float | None) -> tuple[float, float]:
        """A range that holds no frame's beginning: the frame on screen there, unless it lies outside the video."""
        times = self._footage.times(None, None)
        if not times:
            raise _no_frames(self._footage)
        finish = times[-1] + (1 / self._footage.rate if self._footage.rate else 0.1)
        if start is not None and start >= finish:
            raise MediaError(f"{self._footage.name} ends at {finish:.2f} s: start before that, not at {start:g} s")
        shown = [second for second in times if start is not None and second <= start] or times[:1]
        return shown[-1], shown[-1]


def probe(source: Path | bytes) -> VideoInfo:
    """Facts about a video, from its header and first frame; the duration is measured where the header has none."""
    footage = open_footage(source)
    try:
        times = [] if footage.duration else footage.times(None, None)
        shot = next(footage.shots_from(None), None)
        if shot is None:
            raise _no_frames(footage)
        height, width = shot.pixels().shape[:2]
        return VideoInfo(
            duration=footage.duration or times[-1] + (1 / footage.rate if footage.rate else 0.0),
            width=width,
            height=height,
            num_frames=footage.num_frames if isinstance(footage, Decoder) else len(footage.times(None, None)),
            rate=footage.rate,
            rotation=footage.rotation if isinstance(footage, Decoder) else 0,
        )
    finally:
        footage.close()


def frames_at(source: Path | bytes, times: Sequence[float], *, size: int | None = None) -> Clip:
    """`Video.frames_at` of a source that is opened for it and closed again."""
    with Video(source, size=size) as video:
        return video.frames_at(times)


def iterate(
    source: Path | bytes | str,
    *,
    rate: float,
    start: float | None = None,
    end: float | None = None,
    size: int | None = None,
) -> Iterator[tuple[float, UInt8[Tensor, "height width 3"]]]:
    """`Video.iterate` of a source that is opened for it and closed at the end, also where the reader stops early."""
    with Video(source, size=size) as video:
        yield from video.iterate(rate=rate, start=start, end=end)


def _check_range(start: float | None, end: float | None, *, name: str) -> None:
    if math.isnan(start or 0.0) or math.isnan(end or 0.0):
        raise MediaError(f"{name}: the start or the end is no number: give seconds")
    if start is not None and start < 0:
        raise MediaError(f"{name}: the start is {start:g} s: give 0 or more")
    if end is not None and end < (start or 0.0):
        raise MediaError(f"{name}: the end ({end:g} s) lies before the start ({start or 0:g} s): swap them")


def _nothing_between(footage: Footage, start: float | None, end: float | None) -> MediaError:
    until = "on" if end is None else f"to {end:g} s"
    return MediaError(f"{footage.name} shows nothing from {start or 0:g} s {until}: give seconds that lie in it")


def _no_frames(footage: Footage) -> MediaError:
    return MediaError(f"{footage.name} has no frame that can be decoded ({footage.skipped} damaged): {footage.remedy}")


def _stack(frames: list[UInt8[Tensor, "_ _ 3"]]) -> UInt8[Tensor, "time height width 3"]:
    """One tensor; where the video changes its size on the way, all frames get the size of the first."""
    height, width = frames[0].shape[:2]
    return torch.stack([resize_to(frame, height, width) for frame in frames])
