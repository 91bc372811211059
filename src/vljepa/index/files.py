"""SQLite files of an index: opened for crash safety, and what goes wrong with them as a sentence."""

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vljepa.index.errors import IndexFolderError

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def connect(path: Path) -> sqlite3.Connection:
    """A connection that survives a killed process (WAL) and a lost power supply (synced commits).

    Statements commit by themselves unless they stand inside `transaction`.
    """
    try:
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30.0)
    except sqlite3.OperationalError as error:
        raise _closed(path, error) from error
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
    except sqlite3.OperationalError as error:
        connection.close()
        raise _closed(path, error) from error
    except sqlite3.DatabaseError as error:
        connection.close()
        raise IndexFolderError(
            f"{path} is damaged or no index ({error}): delete the folder, and index again"
        ) from error
    return connection


def _closed(path: Path, error: sqlite3.OperationalError) -> IndexFolderError:
    return IndexFolderError(
        f"{path} could not be opened ({error}): check its rights and its folder's (searching writes beside it, too)"
    )


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """All statements inside or none of them."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
        connection.execute("COMMIT")
    except BaseException:
        # A statement that found the disk full has already rolled everything back.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


@contextmanager
def one_state(connection: sqlite3.Connection) -> Iterator[None]:
    """What is read inside is of one moment, whatever others write meanwhile."""
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.execute("COMMIT")


@contextmanager
def told_when_full(folder: Path) -> Iterator[None]:
    """A disk that is full, or a folder that may not be written, as a sentence."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise _full(folder, error.strerror or str(error)) from error
    except sqlite3.OperationalError as error:
        if "full" not in str(error) and "I/O" not in str(error):
            raise IndexFolderError(f"the index {folder} could not be written ({error}): check its rights") from error
        raise _full(folder, str(error)) from error


def _full(folder: Path, why: str) -> IndexFolderError:
    return IndexFolderError(
        f"the index {folder} could not be written ({why}): free space and run the same command again; "
        "what was indexed until now is kept"
    )
