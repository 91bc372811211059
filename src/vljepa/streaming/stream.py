"""A video source -> the embeddings of its windows: each frame is encoded once, whatever number of windows hold it.

A thread decodes while the model computes. Memory: some dozen frames at the size that the model sees, and one embedding
a window.
"""

import logging
import math
import time
from collections import defaultdict
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Literal, TypeVar, get_args

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from vljepa.data.errors import MediaError
from vljepa.data.video import Video
from vljepa.embedder import CLIPS_AT_ONCE, FRAMES_AT_ONCE, Embedder
from vljepa.streaming.reader import Reader
from vljepa.streaming.windows import Window, windows

Item = TypeVar("Item")
Progress = Callable[[float], None]
See = Callable[[float, UInt8[Tensor, "height width 3"]], None]
Square = UInt8[Tensor, "3 side side"]
WhenSlow = Literal["drop", "wait"]
SHORTEST, LONGEST = 0.05, 3600.0
QUEUED_FRAMES = 64

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class WindowSettings:
    """Windows of `window` seconds, one every `hop` seconds, each with as many frames as the model was trained with.

    `query` is what is asked of every window, empty for captions; `start` and `end` cut the video, in seconds; `fps`
    is for a folder of frames. `when_slow`: what happens once QUEUED_FRAMES frames wait for the model: the oldest of
    them is dropped, or the source has to wait (default: drop for what comes in real time, wait for all else).
    """

    window: float = 2.0
    hop: float = 0.5
    query: str = ""
    start: float | None = None
    end: float | None = None
    fps: float | None = None
    when_slow: WhenSlow | None = None

    def __post_init__(self) -> None:
        for name in ("window", "hop"):
            seconds = getattr(self, name)
            if not SHORTEST <= seconds <= LONGEST:
                raise ValueError(f"the {name} is {seconds:g} s: give {SHORTEST:g} to {LONGEST:g} seconds")
        for name in ("start", "end"):
            seconds = getattr(self, name)
            if seconds is not None and not 0 <= seconds < math.inf:
                raise ValueError(f"the {name} is {seconds:g} s: give 0 or more")
        if self.when_slow is not None and self.when_slow not in get_args(WhenSlow):
            raise ValueError(f"unknown policy {self.when_slow!r} for a slow model: write drop or wait")


@dataclass(kw_only=True, eq=False)
class Watched:
    """What was watched, and what it cost; complete when `embedded_windows` has ended.

    `seconds_media` is the length of what was watched; `seconds_read` is what the model waited for frames; `skipped`
    counts damaged packets, `dropped` the frames that the model was too slow for; `interrupted`: by Ctrl-C, or by a
    source that broke off.
    """

    windows: int = 0
    seconds_media: float = 0.0
    seconds_read: float = 0.0
    seconds_embed: float = 0.0
    skipped: int = 0
    dropped: int = 0
    interrupted: bool = False


@dataclass(kw_only=True, eq=False)
class Stream(Watched):
    """A stream that was watched to its end: its windows' embeddings with their start and end in seconds."""

    embeddings: Float[Tensor, "window dim"]
    times: tuple[tuple[float, float], ...]


class _Clock:
    """Seconds spent, by what they were spent on."""

    def __init__(self) -> None:
        self.spent: defaultdict[str, float] = defaultdict(float)

    @contextmanager
    def on(self, what: str) -> Iterator[None]:
        """Count the time inside the `with`."""
        begin = time.perf_counter()
        try:
            yield
        finally:
            self.spent[what] += time.perf_counter() - begin


class _Frames:
    """Frames with their seconds from a source that a thread reads; `broke_off` where it ended before its time."""

    def __init__(self, video: Video, embedder: Embedder, *, settings: WindowSettings, see: See | None) -> None:
        drop = video.real_time if settings.when_slow is None else settings.when_slow == "drop"
        self.reader = Reader(_squares(video, embedder, settings=settings, see=see), places=QUEUED_FRAMES, drop=drop)
        self.endless = video.endless  # the thread closes the video before all is taken
        self.broke_off = False
        self._any = False

    def take(self) -> list[tuple[float, Square]]:
        """Some frames, none at the end. MediaError only where there was no frame at all: else what was seen counts."""
        try:
            some = self.reader.take(FRAMES_AT_ONCE, at_once=self.endless)
        except MediaError as error:
            if not self._any:
                raise
            logger.warning("%s", error)
            self.broke_off, some = True, []
        self._any = True
        return some


def embedded_stream(
    source: Path | str, embedder: Embedder, *, settings: WindowSettings, progress: Progress = lambda seconds: None
) -> Stream:
    """Watch a source to its end (or to Ctrl-C) and embed its windows; the rest as in `embedded_windows`."""
    watched = Watched()
    rows: list[Float[Tensor, "batch dim"]] = []
    times: list[tuple[float, float]] = []
    for some, when in embedded_windows(source, embedder, settings=settings, watched=watched, progress=progress):
        rows.append(some)
        times += when
    embeddings = torch.cat(rows) if rows else torch.empty(0, embedder.dim)
    return Stream(embeddings=embeddings, times=tuple(times), **vars(watched))


def embedded_windows(
    source: Path | str,
    embedder: Embedder,
    *,
    settings: WindowSettings,
    watched: Watched,
    progress: Progress = lambda seconds: None,
    see: See | None = None,
) -> Generator[tuple[Float[Tensor, "batch dim"], list[tuple[float, float]]], None, None]:
    """The windows of a source as they come, some at once: their embeddings, their starts and ends in seconds.

    Ends with the source or with Ctrl-C. `watched` is filled in; `progress` hears the second it is at, and `see`, on the
    thread that reads, every frame that is looked at. MediaError where there is no video to read, also for a picture.
    What breaks off later ends the stream, and is told to the log.
    """
    with OpenStream(source, embedder, settings=settings, watched=watched, see=see) as stream:
        try:
            yield from stream.windows(progress)
        except KeyboardInterrupt:  # what was seen until now is still worth telling
            watched.interrupted = True


class OpenStream:
    """A source whose frames are read ahead, on a thread, while the `with` statement lasts; see `embedded_windows`."""

    def __init__(
        self,
        source: Path | str,
        embedder: Embedder,
        *,
        settings: WindowSettings,
        watched: Watched,
        see: See | None = None,
    ) -> None:
        self.watched = watched
        self._embedder, self._settings = embedder, settings
        self._video = Video(source, size=embedder.side, fps=settings.fps)
        self._frames = _Frames(self._video, embedder, settings=settings, see=see)
        self._clock = _Clock()

    @property
    def waiting(self) -> int:
        """Frames that wait for the model."""
        return self._frames.reader.waiting

    @property
    def read(self) -> float:
        """Seconds that the model has waited for frames."""
        return self._clock.spent["read"]

    def __enter__(self) -> "OpenStream":
        self._frames.reader.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._frames.reader.__exit__(kind, error, trace)
        watched, spent = self.watched, self._clock.spent
        watched.seconds_read, watched.seconds_embed = spent["read"], spent["embed"]
        watched.skipped, watched.dropped = self._video.skipped, self._frames.reader.dropped
        watched.interrupted |= self._frames.broke_off

    def windows(
        self, progress: Progress = lambda seconds: None
    ) -> Generator[tuple[Float[Tensor, "batch dim"], list[tuple[float, float]]], None, None]:
        """The windows as they come, some at once: their embeddings, their starts and ends in seconds."""
        begin: float | None = None
        found = _windows(self._frames, self._embedder, settings=self._settings, clock=self._clock)
        for some in _batches(found, 1 if self._frames.endless else CLIPS_AT_ONCE):
            with self._clock.on("embed"):
                rows = _embedded(some, self._embedder, query=self._settings.query)
            begin = some[0].start if begin is None else begin
            self.watched.windows += len(some)
            self.watched.seconds_media = some[-1].end - begin
            yield rows, [(window.start, window.end) for window in some]
            progress(some[-1].end)


def frame_rate(embedder: Embedder, settings: WindowSettings) -> float:
    """Frames a second that are looked at."""
    return embedder.num_frames / settings.window


def seconds_ahead(embedder: Embedder, settings: WindowSettings) -> float:
    """By how much the thread that reads may be ahead of the windows that are handed out."""
    waiting = (QUEUED_FRAMES + FRAMES_AT_ONCE + 1) / frame_rate(embedder, settings)
    return waiting + settings.window + CLIPS_AT_ONCE * settings.hop


def _squares(
    video: Video, embedder: Embedder, *, settings: WindowSettings, see: See | None
) -> Generator[tuple[float, Square], None, None]:
    """The frames that are looked at, in the size of the X-Encoder; closes the video."""
    with video:
        rate = frame_rate(embedder, settings)
        for seconds, frame in video.iterate(rate=rate, start=settings.start, end=settings.end):
            if see is not None:
                see(seconds, frame)
            yield seconds, embedder.bundle.processor.squares(frame[None])[0]


def _windows(frames: _Frames, embedder: Embedder, *, settings: WindowSettings, clock: _Clock) -> Iterator[Window]:
    """Windows whose "frames" are the frames' features."""
    return windows(
        _featured(frames, embedder, clock), window=settings.window, hop=settings.hop, num_frames=embedder.num_frames
    )


def _featured(frames: _Frames, embedder: Embedder, clock: _Clock) -> Iterator[tuple[float, Float[Tensor, "width"]]]:
    while True:
        with clock.on("read"):
            some = frames.take()
        if not some:
            return
        with clock.on("embed"):
            features = embedder.frame_features(torch.stack([square for _, square in some]))
        yield from zip((seconds for seconds, _ in some), features, strict=True)


def _embedded(some: list[Window], embedder: Embedder, *, query: str) -> Float[Tensor, "batch dim"]:
    features = torch.stack([torch.stack(window.frames) for window in some])
    return embedder.predict(embedder.tokens_from_features(features), query).cpu()


def _batches(items: Iterator[Item], size: int) -> Iterator[list[Item]]:
    while some := list(islice(items, size)):
        yield some
