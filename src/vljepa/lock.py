"""One writer for a folder: a lock that the system lets go when its holder dies, and a file that says who it is."""

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOCK_NAME = "writer.lock"


@contextmanager
def writer_lock(folder: Path, *, error: type[ValueError]) -> Iterator[None]:
    """Hold the folder for writing. `error`, with the process that holds it, where somebody else does.

    A file that a killed process left behind is held by nobody, and is taken over.
    """
    descriptor = os.open(folder / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as held:
            holder = os.pread(descriptor, 200, 0).decode(errors="replace").strip() or "another process"
            raise error(f"{folder} is being written by {holder}: wait until it is done, or stop it") from held
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"process {os.getpid()} on {socket.gethostname()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)
