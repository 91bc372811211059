"""Indexes a folder of made-up media again and again, killed somewhere each time; prints where it was killed.

A child is forked for each run, after everything is imported, so that a run costs milliseconds. Two kinds of kills: at
the n-th line of the code that stores (also between the vectors' write, their sync and the commit of the rows), and at
a moment of the clock, inside a call of the system.
Usage: killed_indexer.py LIBRARY MEDIA SEED LINE-KILLS CLOCK-KILLS
"""

import hashlib
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

from vljepa.index.records import FileFacts, NewMedium, NewSegment
from vljepa.library import Library
from vljepa.library.library import Looked

TRACED = (os.sep + "index" + os.sep, os.sep + "library" + os.sep)
DIM = 8


class Bundle:
    fingerprint = "made-up"

    class processor:
        from vljepa.data.processor import ProcessorSettings

        settings = ProcessorSettings()


class MadeUp:
    """Stands for a model where none is called."""

    name, dim, bundle, lock = "made-up", DIM, Bundle, nullcontext()


def seen(files: Iterator[FileFacts], *_: Any) -> Iterator[list[Looked]]:
    """What a model would make of files: numbers that their content decides."""
    for file in files:
        numbers = np.random.default_rng(int(file.sha256[:12], 16))
        segments = []
        for place in range(1 + int(file.sha256[0], 16) % 4):
            rows = numbers.standard_normal((1 + place % 2, DIM)).astype(np.float32)
            rows /= np.linalg.norm(rows, axis=1, keepdims=True)
            thumbnail = hashlib.sha256(rows.tobytes()).digest() * 20
            segments.append(NewSegment(start=place, end=place + 1.0, vectors=rows, thumbnail=thumbnail))
        yield [NewMedium(file=file, kind="video", seconds=9.0, made="", segments=tuple(segments), timeline=b"t")]


def index(library: Path, media: Path) -> None:
    with Library.open(library, MadeUp(), create=True) as opened:  # type: ignore[arg-type]
        made = opened.settings.made

        def look(files: Iterator[FileFacts], *rest: Any) -> Iterator[list[Looked]]:
            for batch in seen(files):
                yield [NewMedium(**(vars(one) | {"made": made})) for one in batch]

        opened.add([media], look=look)


class Lines:
    """Counts lines of the code that stores, and kills the process at one of them."""

    def __init__(self, last: float) -> None:
        self.count, self.last = 0, last

    def __call__(self, frame: FrameType, event: str, argument: Any) -> Any:
        if event == "call":
            return self if any(part in frame.f_code.co_filename for part in TRACED) else None
        if event == "line":
            self.count += 1
            if self.count >= self.last:
                os.kill(os.getpid(), signal.SIGKILL)
        return self


def forked(library: Path, media: Path, *, line: float = float("inf"), seconds: float = 0.0) -> int:
    """Index in a child; its wait status."""
    child = os.fork()
    if child == 0:
        if line != float("inf"):
            sys.settrace(Lines(line))
        if seconds:
            signal.setitimer(signal.ITIMER_REAL, seconds)
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
        try:
            index(library, media)
        except BaseException as error:  # a child must never come back into the parent's code
            print(f"error: {type(error).__name__}: {error}", flush=True)
            os._exit(3)
        os._exit(0)
    return os.waitpid(child, 0)[1]


def counted(media: Path, scratch: Path) -> int:
    """Lines of one undisturbed run."""
    lines = Lines(float("inf"))
    sys.settrace(lines)
    index(scratch, media)
    sys.settrace(None)
    return lines.count


def main() -> None:
    library, media, seed, by_line, by_clock = Path(sys.argv[1]), Path(sys.argv[2]), *map(int, sys.argv[3:])
    scratch = library.with_name("scratch")
    total = counted(media, scratch)
    begin = time.perf_counter()
    shutil.rmtree(scratch)
    index(scratch, media)
    lasts = time.perf_counter() - begin
    chance = random.Random(seed)
    killed = 0
    while killed < by_line + by_clock:
        if killed < by_line:
            status = forked(library, media, line=chance.randrange(1, total))
        else:
            status = forked(library, media, seconds=chance.uniform(0.001, lasts))
        killed += os.WIFSIGNALED(status)
        print("killed" if os.WIFSIGNALED(status) else f"ended {os.waitstatus_to_exitcode(status)}", flush=True)
        # Anew where it came to its end, and now and then before, so that the first files are met by kills, too.
        if not os.WIFSIGNALED(status) or killed % 4 == 0:
            shutil.rmtree(library, ignore_errors=True)
    print(f"last {os.waitstatus_to_exitcode(forked(library, media))}", flush=True)


if __name__ == "__main__":
    main()
