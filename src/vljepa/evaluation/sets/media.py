"""Where a set's media lie: names with or without folder and ending, found below one folder that is listed once."""

import os
import unicodedata
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from vljepa.evaluation.sets.item import SetError

# What downloaders leave beside a video.
_BESIDE = frozenset({".json", ".txt", ".csv", ".srt", ".vtt", ".description", ".part", ".npy", ".sqlite"})


class MediaFolder:
    """All files below a folder by the first part of their names, and media that lie inside an annotation file."""

    def __init__(self, folder: Path, *, blobs: Mapping[str, bytes] | None = None) -> None:
        self.folder = folder
        self._blobs = blobs or {}
        self._by_stem: dict[str, list[Path]] = defaultdict(list)
        for place, _, names in os.walk(folder):
            for name in names:
                path = Path(place) / name
                if path.suffix.lower() not in _BESIDE:
                    self._by_stem[_composed(path.stem)].append(path)

    def find(self, name: str) -> Path | bytes | None:
        """The medium; None where it is not there. SetError where the name could mean two files."""
        if name in self._blobs:
            return self._blobs[name]
        whole = self.folder / name
        if os.path.isfile(whole):  # unlike Path.is_file no error for what can be no name (one that is too long, say)
            return whole
        wanted = PurePosixPath(_composed(name))
        # A name may end in something that looks like an ending and is none (video ids with dots).
        paths = {path for stem in (wanted.stem, wanted.name) for path in self._by_stem.get(stem, ())}
        ends = [path for path in sorted(paths) if _ends_in(path, wanted)]
        if len(ends) > 1:
            raise SetError(f"{name} could be {ends[0]} or {ends[1]}: keep one of them below {self.folder}")
        return ends[0] if ends else None


def _ends_in(path: Path, wanted: PurePosixPath) -> bool:
    """Whether the path is the wanted one below some folder, its ending aside."""
    whole = PurePosixPath(_composed(path.as_posix()))
    bare = whole.with_suffix("")
    return any(one.parts[-len(wanted.parts) :] == wanted.parts for one in (whole, bare)) or (
        bare.parts[-len(wanted.parts) :] == wanted.with_suffix("").parts
    )


def _composed(name: str) -> str:
    """The name with an accent and its letter as one character: file systems and annotations have them as one or two."""
    return unicodedata.normalize("NFC", name)
