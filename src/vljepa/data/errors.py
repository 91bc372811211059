"""The one error for media that cannot be used, and how a source is called in its sentence."""

import re
from pathlib import Path

STANDARD_INPUT = "-"
_SECRET = re.compile(r"(?<=://)[^/@]*@")


class MediaError(ValueError):
    """A picture or video that cannot be used; the sentence names the file and says what to do."""


def name_of(source: Path | bytes | str) -> str:
    """What messages call a source: its path, its address without the password, or its size where it is only bytes."""
    if isinstance(source, bytes):
        return f"the medium of {len(source)} bytes"
    return "standard input" if source == STANDARD_INPUT else _SECRET.sub("", str(source))


def check_file(source: Path | bytes) -> None:
    """MediaError unless the source is a file, or bytes, that holds something."""
    if isinstance(source, bytes):
        if not source:
            raise MediaError("the medium is empty (0 bytes): give the bytes of a picture or video")
        return
    if not source.exists():
        raise MediaError(f"{source}: there is no such file: check the path")
    if source.is_dir():
        raise MediaError(f"{source} is a folder: give a picture or video file")
    if not source.is_file():  # a pipe that nobody writes into would be waited for
        raise MediaError(f"{source} is a pipe or a device: give a file, or let watch read it from standard input (-)")
    if source.stat().st_size == 0:
        raise MediaError(f"{source} is empty (0 bytes): copy or download it again")
