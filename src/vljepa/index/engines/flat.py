"""The engine that needs nothing else: an append-only file of 16-bit vectors beside SQLite rows, searched exactly.

Vectors are written behind the last row and synced, then the rows are committed: a process that is killed in between
leaves numbers in the file that no row speaks of, and the next ones are written over them. Above
`approximate_from` rows a graph (usearch) beside the file answers, and what it finds is ranked exactly.
"""

import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from threading import RLock

import numpy as np
from jaxtyping import Float16, Int64
from numpy import ndarray

from vljepa.index.engines.graph import Graph
from vljepa.index.engines.protocol import EVERYWHERE, Found, Ids, Payload, Stats, Vector, Vectors, Where
from vljepa.index.errors import IndexFolderError
from vljepa.index.files import connect, one_state, told_when_full, transaction
from vljepa.index.search import nearest, ranked

APPROXIMATE_FROM = 500_000
_SCHEMA = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS rows (
    row INTEGER PRIMARY KEY, id INTEGER NOT NULL UNIQUE, media INTEGER NOT NULL, start REAL NOT NULL, stop REAL NOT NULL
);
"""
_ROW = np.dtype([("row", np.int64), ("id", np.int64), ("media", np.int64), ("start", np.float64), ("stop", np.float64)])
# Fewer holes than this are not worth a new file.
_MOST_HOLES = 10_000


class Flat:
    """Vectors in a folder. Several processes may search while one writes; threads of one process take turns."""

    def __init__(self, folder: Path, *, dim: int, approximate_from: int = APPROXIMATE_FROM) -> None:
        self._folder, self._dim, self._approximate_from = folder, dim, approximate_from
        self._lock = RLock()
        self._rows = connect(folder / "vectors.sqlite")
        with told_when_full(folder):
            self._rows.executescript(_SCHEMA)
            self._rows.executemany(
                "INSERT OR IGNORE INTO facts VALUES (?, ?)", [("dim", dim), ("generation", 0), ("next_row", 0)]
            )
        if self._fact("dim") != dim:
            raise IndexFolderError(f"{folder} holds vectors of {self._fact('dim')} numbers, not of {dim}: index anew")
        self._table = np.empty(0, _ROW)
        self._row_numbers = self._ids = np.empty(0, np.int64)
        # The version of the file that was read last; SQLite counts what other connections commit.
        self._read_version = -1
        self._generation = -1
        self._matrix: Float16[ndarray, "row dim"] = np.empty((0, dim), np.float16)
        self._graph = Graph(dim)

    def add(self, ids: Ids, vectors: Vectors, payloads: Sequence[Payload]) -> None:
        """Append and sync the vectors, then commit their rows."""
        if not len(ids):
            return
        with self._lock, told_when_full(self._folder):
            first = self._fact("next_row")
            self._append(first, vectors)
            rows = [
                (first + place, int(number), payload.media, float(payload.start), float(payload.end))
                for place, (number, payload) in enumerate(zip(ids, payloads, strict=True))
            ]
            with transaction(self._rows) as rows_file:
                rows_file.executemany("DELETE FROM rows WHERE id = ?", [(row[1],) for row in rows])
                rows_file.executemany("INSERT INTO rows VALUES (?, ?, ?, ?, ?)", rows)
                rows_file.execute("UPDATE facts SET value = ? WHERE name = 'next_row'", (first + len(rows),))
            self._read_version = -1

    def _append(self, first: int, vectors: Vectors) -> None:
        content = memoryview(np.asarray(vectors, np.float16).tobytes())
        descriptor = os.open(self._path(self._fact("generation")), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            at = first * self._dim * 2
            while content:  # a disk that is nearly full takes a part first
                written = os.pwrite(descriptor, content, at)
                content, at = content[written:], at + written
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def remove(self, ids: Ids) -> None:
        """Forget rows; their vectors stay in the file as holes until it is written anew."""
        with self._lock, told_when_full(self._folder):
            with transaction(self._rows) as rows_file:
                rows_file.executemany("DELETE FROM rows WHERE id = ?", [(int(number),) for number in ids])
            self._read_version = -1
            self._close_holes()

    def _close_holes(self) -> None:
        """Write the vectors that are left into a new file, where more than half are holes."""
        self._refresh()
        kept = self._table
        if self._fact("next_row") - len(kept) <= max(_MOST_HOLES, len(kept)):
            return
        old, new = self._generation, self._generation + 1
        with self._path(new).open("wb") as file:
            for first in range(0, len(kept), _MOST_HOLES):
                file.write(self._matrix[kept["row"][first : first + _MOST_HOLES]].tobytes())
            file.flush()
            os.fsync(file.fileno())
        with transaction(self._rows) as rows_file:
            # Ascending, so that no row takes the place of one that has not moved yet.
            rows_file.executemany("UPDATE rows SET row = ? WHERE row = ?", list(enumerate(kept["row"].tolist())))
            rows_file.execute("UPDATE facts SET value = ? WHERE name = 'next_row'", (len(kept),))
            rows_file.execute("UPDATE facts SET value = ? WHERE name = 'generation'", (new,))
        self._read_version = -1
        self._path(old).unlink(missing_ok=True)
        self._graph_path(old).unlink(missing_ok=True)

    def search(self, vectors: Vectors, k: int, where: Where = EVERYWHERE) -> list[list[Found]]:
        """Exactly, or above `approximate_from` rows by the graph where it covers what is asked for."""
        with self._lock:
            self._refresh()
            rows = self._row_numbers
            if where != EVERYWHERE:
                rows = rows[_allowed(self._table, where)]
            return [self._found(vector, k, rows) for vector in np.asarray(vectors, np.float32)]

    def _found(self, vector: Vector, k: int, rows: Int64[ndarray, "some"]) -> list[Found]:
        found = self._by_graph(vector, k, rows)
        if found is None:
            found = nearest(self._matrix, rows, vector, k)
        numbers = self._ids[np.searchsorted(self._row_numbers, found[0])]
        return [Found(int(number), float(cosine)) for number, cosine in zip(numbers, found[1], strict=True)]

    def _by_graph(self, vector: Vector, k: int, rows: Int64[ndarray, "some"]) -> tuple[ndarray, ndarray] | None:
        """What the graph finds among these rows; None where exact search is the better way."""
        if len(rows) < self._approximate_from or not self._graph.opened(self._graph_path(self._generation)):
            return None
        near = self._graph.nearest(vector, k, share=len(rows) / max(len(self._table), 1))
        near = near[rows[np.searchsorted(rows, near).clip(max=len(rows) - 1)] == near]
        if len(near) < k:
            return None
        newer = rows[rows >= self._graph.rows]
        tail = nearest(self._matrix, newer, vector, k)[0]
        return ranked(self._matrix, np.concatenate([near, tail]), vector, k)

    def build_graph(self) -> bool:
        """Bring the graph up to date where there are enough rows for one; the end of a run of indexing."""
        with self._lock, told_when_full(self._folder):
            self._refresh()
            if len(self._table) < self._approximate_from:
                return False
            self._graph.build(self._matrix, self._graph_path(self._generation))
            return True

    def get(self, ids: Ids) -> Vectors:
        """The vectors as they are stored, in 16 bits."""
        with self._lock:
            self._refresh()
            order = np.argsort(self._ids)
            numbers = self._ids[order]
            places = np.searchsorted(numbers, ids)
            if len(ids) and (not len(numbers) or (numbers[np.minimum(places, len(numbers) - 1)] != ids).any()):
                raise IndexFolderError(f"{self._folder} lacks a vector that it should hold: index anew")
            rows = self._row_numbers[order[places]] if len(ids) else np.empty(0, np.int64)
            return np.asarray(self._matrix[rows], np.float32)

    def stats(self) -> Stats:
        """How many rows there are."""
        with self._lock:
            (count,) = self._rows.execute("SELECT count(*) FROM rows").fetchone()
            return Stats(engine="flat", count=count, dim=self._dim)

    def close(self) -> None:
        """Close the rows."""
        with self._lock:
            self._rows.close()

    def _refresh(self) -> None:
        """See what this or another process has written since; mostly that is rows at the end."""
        (version,) = self._rows.execute("PRAGMA data_version").fetchone()
        if version == self._read_version:
            return
        with one_state(self._rows):
            self._read()
        self._read_version = version

    def _read(self) -> None:
        generation = self._fact("generation")
        known = self._table if generation == self._generation else np.empty(0, _ROW)
        last = int(known["row"][-1]) if len(known) else -1
        newer = _fetched(self._rows, last)
        (count,) = self._rows.execute("SELECT count(*) FROM rows").fetchone()
        if count != len(known) + len(newer):  # some of the known ones are gone
            known, newer = np.empty(0, _ROW), _fetched(self._rows, -1)
        elif generation == self._generation and not len(newer):
            return
        self._table = np.concatenate([known, newer])
        self._row_numbers, self._ids = self._table["row"].copy(), self._table["id"].copy()
        self._generation = generation
        self._matrix = self._mapped(int(self._table["row"][-1]) + 1 if len(self._table) else 0)

    def _mapped(self, rows: int) -> Float16[ndarray, "row dim"]:
        path = self._path(self._generation)
        if not rows:
            return np.empty((0, self._dim), np.float16)
        if not path.is_file() or path.stat().st_size < rows * self._dim * 2:
            raise IndexFolderError(f"{path} is shorter than its {rows} rows: restore it, or delete the index")
        return np.memmap(path, np.float16, "r", shape=(rows, self._dim))

    def _fact(self, name: str) -> int:
        return int(self._rows.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()[0])

    def _path(self, generation: int) -> Path:
        return self._folder / f"vectors-{generation}.f16"

    def _graph_path(self, generation: int) -> Path:
        return self._folder / f"vectors-{generation}.graph"


def _fetched(rows_file: sqlite3.Connection, after: int) -> ndarray:
    return np.fromiter(rows_file.execute("SELECT * FROM rows WHERE row > ? ORDER BY row", (after,)), _ROW)


def _allowed(table: ndarray, where: Where) -> ndarray:
    allowed = np.ones(len(table), bool)
    if where.media is not None:
        allowed &= np.isin(table["media"], np.fromiter(where.media, np.int64))
    if where.start is not None:
        allowed &= table["stop"] >= where.start
    if where.end is not None:
        allowed &= table["start"] <= where.end
    return allowed
