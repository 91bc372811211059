"""Saved clips: what was seen around a trigger, some seconds before and after it, as MP4s in a folder.

Kept are the frames that the model looks at (a few a second, at its size), as JPEG: memory is bounded, and every source,
a camera as well as a file, can be saved. A clip that is there already stays: the next of that name gets a number.
"""

import io
import os
import re
import tempfile
import threading
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor

from vljepa.data.encode import encode_mp4
from vljepa.streaming.triggers import Firing

LONGEST = 120.0
_QUALITY = 90
_NAME_LENGTH = 40
# JPEG ends at 65500 and H.264 before that; this many pixels every player shows. Only slivers are ever as long.
_LONGEST_SIDE = 4096


@dataclass(frozen=True, kw_only=True)
class ClipSettings:
    """`folder` gets the clips; `before` and `after` are the seconds on both sides of the window that fired."""

    folder: Path
    before: float = 5.0
    after: float = 5.0

    def __post_init__(self) -> None:
        for name in ("before", "after"):
            seconds = getattr(self, name)
            if not 0 <= seconds <= LONGEST:
                raise ValueError(f"a clip's seconds {name} are {seconds:g}: give 0 to {LONGEST:g}")
        if self.folder.exists() and not self.folder.is_dir():
            raise ValueError(f"{self.folder} is no folder: name another one for the clips")


class SavedClip(NamedTuple):
    """A clip that was written: of which trigger, where, and from which to which second of the stream."""

    text: str
    path: Path
    start: float
    end: float


class _Wanted(NamedTuple):
    firing: Firing
    start: float
    end: float


class EventClips:
    """Frames in from the thread that reads, firings in from the one that computes; clips out when they are complete.

    `rate` is how many frames a second come, `ahead` how many seconds the reader may be ahead of the firings. Frames are
    held for before + after + ahead seconds, and never longer. The folder is made; ValueError where it cannot be.
    """

    def __init__(self, settings: ClipSettings, *, rate: float, ahead: float) -> None:
        _make(settings.folder)
        self.settings = settings
        self._rate = rate
        self._most = max(1, round((settings.before + settings.after + ahead) * rate) + 1)
        self._lock = threading.Lock()
        self._frames: deque[tuple[float, bytes]] = deque(maxlen=self._most)
        self._wanted: list[_Wanted] = []

    @property
    def num_held(self) -> int:
        """Frames that are held."""
        return len(self._frames)

    def see(self, seconds: float, frame: UInt8[Tensor, "height width 3"]) -> None:
        """The next frame of the stream."""
        content, picture = io.BytesIO(), Image.fromarray(frame.numpy())
        picture.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE))
        picture.save(content, "JPEG", quality=_QUALITY)
        with self._lock:
            self._frames.append((seconds, content.getvalue()))

    def want(self, firing: Firing) -> None:
        """A trigger has fired."""
        start, end = firing.start - self.settings.before, firing.end + self.settings.after
        self._wanted.append(_Wanted(firing, max(start, 0.0), end))

    def write(self, *, all_of_them: bool = False) -> list[SavedClip]:
        """Write the clips whose last second has been seen, at the stream's end all that are wanted.

        ValueError where the folder cannot be written.
        """
        with self._lock:
            latest = self._frames[-1][0] if self._frames else 0.0
        due = [one for one in self._wanted if all_of_them or latest >= one.end]
        self._wanted = [one for one in self._wanted if one not in due]
        return [clip for clip in map(self._write, due) if clip is not None]

    def _write(self, wanted: _Wanted) -> SavedClip | None:
        with self._lock:
            chosen = [(seconds, frame) for seconds, frame in self._frames if wanted.start <= seconds <= wanted.end]
        if not chosen:
            return None
        pictures = [np.asarray(Image.open(io.BytesIO(frame))) for _, frame in chosen]
        # A stream may change its size on the way: the clip keeps that of its first frame.
        same = [picture for picture in pictures if picture.shape == pictures[0].shape]
        path = _free(self.settings.folder / _name(wanted.firing))
        _write_whole(path, encode_mp4(np.stack(same), fps=self._rate))
        return SavedClip(text=wanted.firing.text, path=path, start=chosen[0][0], end=chosen[-1][0])


def _name(firing: Firing) -> str:
    """The window's second, then the words of the trigger as file names may have them."""
    words = re.sub(r"\W+", "-", firing.text.lower()).strip("-")[:_NAME_LENGTH].strip("-")
    return f"{firing.start:010.2f}-{words or 'trigger'}.mp4"


def _free(path: Path) -> Path:
    """The path, or with -2, -3 ... where there is a clip: of an earlier watching, or of words that begin alike."""
    numbered = (path.with_stem(f"{path.stem}-{number}") for number in count(2))
    return next(free for free in chain([path], numbered) if not free.exists())


def _make(folder: Path) -> None:
    """Make the folder and a file in it, which goes at once: before hours are watched that end in an error."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ValueError(f"no clips can be saved in {folder} ({error.strerror}): name another folder") from error


def _write_whole(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(content)
        temporary.replace(path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        raise ValueError(
            f"{path} could not be written ({error.strerror}): free space or name another folder"
        ) from error
