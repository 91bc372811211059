"""What a verb says: results on standard output, everything else on standard error; files whole or not at all."""

import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from vljepa.json_line import json_line


def say(line: str) -> None:
    """A line of the result; names of files may hold bytes that are no text."""
    print(line.encode(errors="backslashreplace").decode(), flush=True)


def say_json(value: Any) -> None:
    """One JSON object on one line."""
    print(json_line(value), flush=True)


def note(line: str) -> None:
    """A line about progress or about what went wrong."""
    print(line.encode(errors="backslashreplace").decode(), file=sys.stderr, flush=True)


def check_can_write(path: Path, *, read: Iterable[str | Path] = ()) -> None:
    """ValueError where a file of that name cannot be made, or is one that is `read`: asked before long work."""
    if path.is_dir():
        raise ValueError(f"{path} is a folder: give the name of a file to write")
    if not path.parent.is_dir():
        raise ValueError(f"there is no folder {path.parent} to write {path.name} into: make it first")
    if not os.access(path.parent, os.W_OK):
        raise ValueError(f"the folder {path.parent} may not be written: name another one")
    if path.exists() and not os.access(path, os.W_OK):
        raise ValueError(f"{path} may not be written: name another file")
    if path.exists() and any(os.path.exists(source) and path.samefile(source) for source in read):
        raise ValueError(f"{path} is what is read, and would be written over: name another file")


def write_whole(path: Path, content: bytes) -> None:
    """The file with this content, or, where that fails, what was there before. ValueError says why it failed."""
    check_can_write(path)
    # Behind a link lies the file that is meant; a device or a pipe takes what it is given and stays what it is.
    path = path.resolve()
    is_device = path.exists() and not path.is_file()
    aside = path if is_device else path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        aside.write_bytes(content)
        aside.replace(path)
    except OSError as error:
        with suppress(OSError):
            if not is_device:
                aside.unlink()
        raise ValueError(f"{path} could not be written ({error.strerror}): free space or name another file") from error


def fidelity_text(fidelity: float, *, unsure: bool) -> str:
    """How far decoded words keep what was seen, and whether that is too little to rely on."""
    return f"fidelity {fidelity:.2f}{', unsure' if unsure else ''}"


def seconds_text(seconds: float) -> str:
    """Minutes and seconds as people write them: 1:07.5."""
    tenths = round(seconds * 10)
    return f"{tenths // 600}:{tenths % 600 // 10:02d}.{tenths % 10}"
