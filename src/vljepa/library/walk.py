"""Which files there are below some paths: each once, also behind links that lead in circles, in a fixed order."""

import mimetypes
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vljepa.data.errors import MediaError
from vljepa.data.image import picture_suffixes

# What Python's table of types does not know on every system.
_MORE = (
    ".mkv",
    ".webm",
    ".m2ts",
    ".mts",
    ".ts",
    ".mxf",
    ".flv",
    ".wmv",
    ".ogv",
    ".3gp",
    ".m4v",
    ".vob",
    ".hevc",
    ".h264",
)


def check_paths(paths: Sequence[Path | str]) -> None:
    """MediaError for a path that leads nowhere."""
    for path in paths:
        if not os.path.exists(path):
            raise MediaError(f"{path}: there is no such file or folder: check the path")


@dataclass(kw_only=True)
class Walk:
    """What was met on the way besides media: folders that could not be read, files whose names are not of media."""

    unreadable: list[str] = field(default_factory=list)
    others: int = 0

    def files(self, paths: Sequence[Path]) -> Iterator[str]:
        """Files that are named, and files below folders that are named as media are. MediaError for a path that is not.

        Paths are absolute, and the same file under two names of a folder is given once for each name.
        """
        suffixes = media_suffixes()
        seen: set[str] = set()
        for path in map(absolute, paths):
            check_paths([path])
            found = self._below(path, suffixes) if os.path.isdir(path) else iter([path])
            for file in found:
                if file not in seen:
                    seen.add(file)
                    yield file

    def _below(self, top: str, suffixes: frozenset[str]) -> Iterator[str]:
        visited: set[tuple[int, int]] = set()
        _is_new(top, "", visited)
        for folder, folders, names in os.walk(top, onerror=self._note, followlinks=True):
            # The same folder once: links may lead back to where one came from.
            folders[:] = sorted(name for name in folders if not name.startswith(".") and _is_new(folder, name, visited))
            for name in sorted(names):
                if os.path.splitext(name)[1].lower() in suffixes and not name.startswith("."):
                    yield os.path.join(folder, name)
                else:
                    self.others += 1

    def _note(self, error: OSError) -> None:
        self.unreadable.append(str(error.filename))


def _is_new(folder: str, name: str, visited: set[tuple[int, int]]) -> bool:
    try:
        facts = os.stat(os.path.join(folder, name))
    except OSError:  # a link to nowhere; a folder that may not be read is told by the walk
        return True
    known = (facts.st_dev, facts.st_ino) in visited
    visited.add((facts.st_dev, facts.st_ino))
    return not known


def media_suffixes() -> frozenset[str]:
    """Endings, in small letters and with the dot, that pictures and videos have."""
    videos = {suffix for suffix, kind in mimetypes.types_map.items() if kind.startswith("video/")}
    return picture_suffixes() | videos | set(_MORE)


def absolute(path: Path) -> str:
    """The path from the root, links as they are."""
    return os.path.abspath(path)


def is_below(path: str, top: str) -> bool:
    """Whether a path is that one, or lies in it."""
    return path == top or path.startswith(top.rstrip(os.sep) + os.sep)
