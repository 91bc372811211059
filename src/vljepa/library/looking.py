"""Files in, what the library keeps of them out: decoders that work ahead feed one model, in batches of one shape."""

import io
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from threading import RLock
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from vljepa.data.errors import MediaError
from vljepa.data.media import media_kind, read_clip
from vljepa.embedder import CLIPS_AT_ONCE, Embedder
from vljepa.index.records import Failure, FileFacts, NewMedium, NewSegment
from vljepa.library.settings import IndexSettings
from vljepa.library.timeline import timeline_of
from vljepa.runtime import num_cores
from vljepa.streaming.segment import chain_ward
from vljepa.streaming.selective import DecodePoint, WindowTimes, decode_points
from vljepa.streaming.stream import OpenStream, Watched

Looked = NewMedium | Failure
# Files that are opened ahead; few of them are videos that decode.
_OPENED_AHEAD = 2 * CLIPS_AT_ONCE
_SECONDS_A_THUMBNAIL = 1.0
_JPEG_QUALITY = 80
# Pixels; the format has no room for more.
_JPEG_LONGEST = 65_500


@dataclass(kw_only=True)
class Spent:
    """Seconds that the model worked, and that it waited for pictures; `media`: seconds of video that were seen."""

    model: float = 0.0
    waited: float = 0.0
    media: float = 0.0


@dataclass(kw_only=True, eq=False)
class _Picture:
    file: FileFacts
    squares: UInt8[Tensor, "look 3 side side"]
    thumbnail: bytes | None


class _Film:
    """A video that decodes ahead, with what was computed of it until now."""

    def __init__(self, file: FileFacts, embedder: Embedder, settings: IndexSettings) -> None:
        self.file = file
        self._thumbnails: list[tuple[float, bytes]] = []
        self._side = settings.thumbnails
        see = self._see if settings.thumbnails else None
        self.stream = OpenStream(Path(file.path), embedder, settings=settings.windows, watched=Watched(), see=see)
        self.rows: list[Float[Tensor, "batch dim"]] = []
        self.times: list[tuple[float, float]] = []
        self.windows: Generator[tuple[Tensor, list[tuple[float, float]]], None, None] = self.stream.windows()

    def _see(self, seconds: float, frame: UInt8[Tensor, "height width 3"]) -> None:
        """On the thread that decodes: a small picture now and then, since segments are only known at the end."""
        if not self._thumbnails or seconds >= self._thumbnails[-1][0] + _SECONDS_A_THUMBNAIL:
            self._thumbnails.append((seconds, jpeg(frame, self._side)))

    def thumbnail(self, seconds: float) -> bytes | None:
        """The small picture nearest to a second."""
        if not self._thumbnails:
            return None
        return min(self._thumbnails, key=lambda pair: abs(pair[0] - seconds))[1]


def looked_at(
    files: Iterable[FileFacts],
    embedder: Embedder,
    *,
    settings: IndexSettings,
    spent: Spent,
    lock: AbstractContextManager[Any] | None = None,
    seen: Callable[[], None] = lambda: None,
) -> Iterator[list[Looked]]:
    """What is to be kept of files, as they are finished, those that were finished together at once.

    Threads open files and decode ahead; of the videos that decode, the one with the most frames waiting is computed
    next. `lock` is held while the model works. `seen` is called after each batch.
    """
    remaining = iter(files)
    with ThreadPoolExecutor(num_cores()) as pool:
        work = _Work(pool, embedder, settings, spent, lock or RLock())
        try:
            while work.fill(remaining):
                done = work.step()
                seen()
                if done:
                    yield done
        finally:
            work.close()


@dataclass(eq=False)
class _Work:
    """Files on their way: being opened, waiting to be decoded, decoding, and pictures that wait for their batch."""

    pool: ThreadPoolExecutor
    embedder: Embedder
    settings: IndexSettings
    spent: Spent
    lock: AbstractContextManager[Any]
    opening: deque[Future[_Picture | _Film | Failure]] = field(default_factory=deque)
    parked: deque[_Film] = field(default_factory=deque)
    films: list[_Film] = field(default_factory=list)
    pictures: list[_Picture] = field(default_factory=list)
    failures: list[Looked] = field(default_factory=list)

    def fill(self, files: Iterator[FileFacts]) -> bool:
        """Open ahead, start decoders; whether anything is left to do."""
        while len(self.opening) + len(self.parked) + len(self.pictures) < _OPENED_AHEAD:
            file = next(files, None)
            if file is None:
                break
            self.opening.append(self.pool.submit(_opened, file, self.embedder, self.settings))
        self._sort_opened()
        while self.parked and len(self.films) < max(num_cores(), 2):
            film = self.parked.popleft()
            film.stream.__enter__()
            self.films.append(film)
        return bool(self.opening or self.films or self.pictures or self.failures)

    def close(self) -> None:
        """Stop what still opens or decodes."""
        for future in self.opening:
            future.cancel()
        for film in list(self.films):
            self._leave(film)

    def _sort_opened(self) -> None:
        """Put what has been opened where it belongs, in the order of the files."""
        while self.opening and self.opening[0].done():
            match self.opening.popleft().result():
                case _Picture() as picture:
                    self.pictures.append(picture)
                case _Film() as film:
                    self.parked.append(film)
                case Failure() as failure:
                    self.failures.append(failure)

    def step(self) -> list[Looked]:
        """Compute one batch, or wait until there is one; what was finished by it."""
        if self.failures:
            done, self.failures = self.failures, []
            return done
        if len(self.pictures) >= CLIPS_AT_ONCE or (self.pictures and not self.opening):
            some, self.pictures = self.pictures[:CLIPS_AT_ONCE], self.pictures[CLIPS_AT_ONCE:]
            return list(self._pictures(some))
        if self.films:
            return self._advance(max(self.films, key=lambda film: film.stream.waiting))
        if self.opening:
            begin = time.perf_counter()
            wait([self.opening[0]], return_when=FIRST_COMPLETED)
            self.spent.waited += time.perf_counter() - begin
        return []

    def _pictures(self, some: list[_Picture]) -> Iterator[NewMedium]:
        """Always as many as a full batch, so that a picture's numbers do not depend on its neighbours."""
        squares = torch.stack([some[min(place, len(some) - 1)].squares for place in range(CLIPS_AT_ONCE)])
        begin = time.perf_counter()
        with self.lock:
            features = self.embedder.frame_features(squares.flatten(0, 1)).unflatten(0, squares.shape[:2])
            rows = self.embedder.predict(self.embedder.tokens_from_features(features)).cpu()[: len(some)]
            said = _said(self.embedder, rows, captions=self.settings.captions)
        self.spent.model += time.perf_counter() - begin
        for picture, row, (caption, fidelity) in zip(some, rows, said, strict=True):
            segment = NewSegment(
                start=0.0,
                end=0.0,
                vectors=_units(row[None]),
                caption=caption,
                fidelity=fidelity,
                thumbnail=picture.thumbnail,
            )
            yield NewMedium(file=picture.file, kind="image", seconds=0.0, made=self.settings.made, segments=(segment,))

    def _advance(self, film: _Film) -> list[Looked]:
        """The next batch of windows of a video."""
        begin, before = time.perf_counter(), film.stream.read
        try:
            with self.lock:
                rows, times = next(film.windows)
            film.rows.append(rows)
            self.spent.media += times[-1][1] - (film.times[-1][1] if film.times else times[0][0])
            film.times += times
            return []
        except StopIteration:
            return [self._finished(film)]
        except (MediaError, OSError) as error:
            self._leave(film)
            return [failure_of(film.file, error)]
        finally:
            waited = film.stream.read - before
            self.spent.waited += waited
            self.spent.model += time.perf_counter() - begin - waited

    def _leave(self, film: _Film) -> None:
        self.films.remove(film)
        film.stream.__exit__(None, None, None)

    def _finished(self, film: _Film) -> NewMedium:
        self._leave(film)
        embeddings, settings = torch.cat(film.rows), self.settings
        tree = chain_ward(embeddings)
        points = decode_points("ward", embeddings, times=film.times, decodes_per_second=settings.rate, tree=tree)
        with self.lock:
            said = _said(self.embedder, torch.stack([point.embedding for point in points]), captions=settings.captions)
        segments = tuple(
            NewSegment(
                start=point.segment.start,
                end=point.segment.end,
                vectors=_several(point, embeddings, film.times, settings.vectors),
                caption=caption,
                fidelity=fidelity,
                thumbnail=film.thumbnail(point.time),
            )
            for point, (caption, fidelity) in zip(points, said, strict=True)
        )
        return NewMedium(
            file=film.file,
            kind="video",
            seconds=film.times[-1][1],
            made=settings.made,
            segments=segments,
            timeline=timeline_of(embeddings, film.times, tree, keep=settings.keep_windows).to_bytes(),
        )


def _opened(file: FileFacts, embedder: Embedder, settings: IndexSettings) -> _Picture | _Film | Failure:
    """On a thread of the pool: a picture is read whole, a video only opened."""
    try:
        path = Path(file.path)
        if media_kind(path) == "video":
            return _Film(file, embedder, settings)
        clip = read_clip(path, num_frames=1, size=embedder.side and max(embedder.side, settings.thumbnails))
        small = jpeg(clip.frames[0], settings.thumbnails) if settings.thumbnails else None
        return _Picture(file=file, squares=embedder.squares(clip), thumbnail=small)
    except (MediaError, OSError) as error:
        return failure_of(file, error)


def failure_of(file: FileFacts, error: Exception) -> Failure:
    """Why a file cannot be used."""
    return Failure(path=file.path, size=file.size, mtime_ns=file.mtime_ns, error=" ".join(str(error).split()))


def _said(
    embedder: Embedder, rows: Float[Tensor, "row dim"], *, captions: bool
) -> list[tuple[str | None, float | None]]:
    if not captions:
        return [(None, None)] * len(rows)
    texts = embedder.decode(rows)
    return list(zip(texts, embedder.fidelity(rows, texts), strict=True))


def _several(
    point: DecodePoint, embeddings: Float[Tensor, "window dim"], times: WindowTimes, most: int
) -> Float[np.ndarray, "vector dim"]:
    """The vectors of a segment: its mean, or the means of the parts that it falls into first."""
    first, last = point.segment.first, point.segment.last
    if most == 1 or last - first == 1:
        return _units(point.embedding[None])
    inner = decode_points("ward", embeddings[first:last], times=times[first:last], num_segments=min(most, last - first))
    return _units(torch.stack([part.embedding for part in inner]))


def _units(rows: Float[Tensor, "vector dim"]) -> Float[np.ndarray, "vector dim"]:
    array = rows.float().numpy()
    return np.asarray(array / np.linalg.norm(array, axis=1, keepdims=True), np.float32)


def jpeg(frame: UInt8[Tensor, "height width 3"], side: int) -> bytes:
    """A small JPEG of a frame, with a short side of `side`."""
    image = Image.fromarray(frame.numpy())
    scale = min(side / min(image.size), _JPEG_LONGEST / max(image.size))
    if scale < 1:
        image = image.resize((max(round(image.width * scale), 1), max(round(image.height * scale), 1)))
    packed = io.BytesIO()
    image.save(packed, "JPEG", quality=_JPEG_QUALITY)
    return packed.getvalue()
