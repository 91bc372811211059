"""Uploads that are kept for a while, so that a medium is sent once and asked about often; the oldest make room."""

import hashlib
import shutil
import tempfile
import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

from vljepa.serving.service.media import MediaKind
from vljepa.serving.service.refusals import Busy, NotFound, TooLarge


@dataclass(frozen=True, kw_only=True)
class Upload:
    """A kept medium; `name` is only for showing, and no path is made of it."""

    id: str
    name: str
    kind: MediaKind
    path: Path
    size: int


class Shelf:
    """Files in a folder of its own, which goes with it. An upload's id is a function of its content."""

    def __init__(self, *, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._folder = Path(tempfile.mkdtemp(prefix="vljepa-uploads-"))
        self._lock = threading.Lock()
        self._uploads: OrderedDict[str, Upload] = OrderedDict()

    def put(self, content: bytes, *, name: str, kind: MediaKind) -> Upload:
        """Keep a medium; the same content is kept once. TooLarge where no room could be made, Busy on a full disk."""
        if len(content) > self._most_bytes:
            raise TooLarge(f"uploads of {self._most_bytes} bytes in all are kept, and this one has more: send less")
        key = f"upload-{hashlib.sha256(content).hexdigest()[:24]}"
        with self._lock:
            if key not in self._uploads:
                path = self._folder / key
                _write(path, content)
                self._uploads[key] = Upload(id=key, name=name, kind=kind, path=path, size=len(content))
            self._uploads.move_to_end(key)
            self._make_room()
            return self._uploads[key]

    def get(self, key: str) -> Upload:
        """A kept medium; NotFound where it is not, or no longer, kept."""
        with self._lock:
            if key not in self._uploads:
                raise NotFound(f"there is no upload {key!r} (any more): send the medium again")
            self._uploads.move_to_end(key)
            return self._uploads[key]

    def close(self) -> None:
        """Drop everything."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _make_room(self) -> None:
        while sum(upload.size for upload in self._uploads.values()) > self._most_bytes:
            _, oldest = self._uploads.popitem(last=False)
            oldest.path.unlink(missing_ok=True)


def _write(path: Path, content: bytes) -> None:
    """All of it or nothing."""
    try:
        path.write_bytes(content)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise Busy(
            f"the upload could not be kept ({error.strerror}): free space on the service's disk", after=60
        ) from error
