"""Embeddings that were computed before, in one SQLite file: a second metric is free, a run that stopped goes on."""

import hashlib
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

_ASKED_AT_ONCE = 500


def key_of(*parts: object) -> str:
    """What tells embeddings apart: content, range, model and preprocessing, way of looking, query."""
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()


class Store:
    """Rows by key, for several threads. Without a file they are kept for the run alone."""

    def __init__(self, path: Path | None = None) -> None:
        self._lock = threading.Lock()
        self._database = sqlite3.connect(":memory:" if path is None else path, check_same_thread=False)
        self._database.execute("CREATE TABLE IF NOT EXISTS embeddings (key TEXT PRIMARY KEY, row BLOB) WITHOUT ROWID")

    def have(self, keys: Iterable[str]) -> set[str]:
        """Those of the keys that are there."""
        return {str(key) for key, _ in self._found(list(keys), "key, NULL")}

    def rows(self, keys: Sequence[str]) -> Float[Tensor, "item dim"]:
        """The rows of keys that are all there."""
        found = dict(self._found(list(dict.fromkeys(keys)), "key, row"))
        return torch.stack([torch.frombuffer(bytearray(found[key]), dtype=torch.float32) for key in keys])

    def put(self, rows: Mapping[str, Float[Tensor, "dim"]]) -> None:
        """Keep rows; what was put is on the disk afterwards."""
        with self._lock, self._database:
            self._database.executemany(
                "INSERT OR REPLACE INTO embeddings VALUES (?, ?)",
                [(key, row.float().contiguous().numpy().tobytes()) for key, row in rows.items()],
            )

    def close(self) -> None:
        """Free the file."""
        self._database.close()

    def _found(self, keys: list[str], columns: str) -> Iterator[tuple[str, bytes]]:
        for first in range(0, len(keys), _ASKED_AT_ONCE):
            some = keys[first : first + _ASKED_AT_ONCE]
            asked = f"SELECT {columns} FROM embeddings WHERE key IN ({','.join('?' * len(some))})"
            with self._lock:
                found = self._database.execute(asked, some).fetchall()
            yield from found
