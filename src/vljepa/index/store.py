"""The rows of a library: media, segments, thumbnails, failures, in one SQLite file beside an engine of vectors.

A medium is there whole or not at all. Its vectors are durable in the engine before its rows are committed; until then,
and after it was dropped, their numbers stand in `gone`: what the engine may hold and no row speaks of. Whoever writes
next removes those first, so that a process may be killed anywhere.
"""

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from threading import RLock
from typing import Any

import numpy as np

from vljepa.index.engines.protocol import Engine, Ids, Payload
from vljepa.index.errors import IndexFolderError
from vljepa.index.files import connect, told_when_full, transaction
from vljepa.index.records import Failure, Medium, NewMedium, SegmentRow

FILE_NAME = "library.sqlite"
SCHEMA_VERSION = 1
_SCHEMA = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS media (
    id INTEGER PRIMARY KEY AUTOINCREMENT, path BLOB NOT NULL UNIQUE, kind TEXT NOT NULL, seconds REAL NOT NULL,
    size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, sha256 TEXT NOT NULL, made TEXT NOT NULL, timeline BLOB
);
CREATE INDEX IF NOT EXISTS media_by_content ON media (sha256);
CREATE TABLE IF NOT EXISTS segments (
    id INTEGER PRIMARY KEY AUTOINCREMENT, media INTEGER NOT NULL REFERENCES media ON DELETE CASCADE,
    start REAL NOT NULL, stop REAL NOT NULL, caption TEXT, fidelity REAL, thumbnail BLOB
);
CREATE INDEX IF NOT EXISTS segments_by_media ON segments (media, start);
CREATE TABLE IF NOT EXISTS vectors (
    id INTEGER PRIMARY KEY AUTOINCREMENT, segment INTEGER NOT NULL REFERENCES segments ON DELETE CASCADE
);
CREATE INDEX IF NOT EXISTS vectors_by_segment ON vectors (segment);
CREATE TABLE IF NOT EXISTS gone (id INTEGER PRIMARY KEY);
CREATE TABLE IF NOT EXISTS failures (
    path BLOB PRIMARY KEY, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, error TEXT NOT NULL
);
"""
_MEDIUM = """SELECT id, path, kind, seconds, size, mtime_ns, sha256, made,
    (SELECT count(*) FROM segments WHERE media = media.id) FROM media"""
_SEGMENT = "SELECT id, media, start, stop, caption, fidelity, thumbnail IS NOT NULL FROM segments"


class Store:
    """Rows and vectors kept in step. Several processes may read while one writes (see `writer_lock`)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = RLock()
        self._rows = connect(folder / FILE_NAME)
        with told_when_full(folder):
            self._rows.executescript(_SCHEMA)
        version = self.facts().setdefault("schema", str(SCHEMA_VERSION))
        if version != str(SCHEMA_VERSION):
            raise IndexFolderError(f"{folder} has schema {version}, this version reads {SCHEMA_VERSION}: index anew")

    def facts(self) -> dict[str, str]:
        """What is true of the whole library: model, engine, settings."""
        with self._lock:
            return dict(self._rows.execute("SELECT name, value FROM facts").fetchall())

    def set_facts(self, **facts: str) -> None:
        """Note facts, all or none."""
        with self._lock, told_when_full(self.folder), transaction(self._rows) as rows:
            values = {"schema": str(SCHEMA_VERSION), **facts}
            rows.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?)", list(values.items()))

    def put(self, media: Sequence[NewMedium], engine: Engine) -> None:
        """Keep media, each in the place of what was known of its path; all of them or, after a crash, none."""
        with self._lock, told_when_full(self.folder):
            ids = self._reserve(sum(len(segment.vectors) for medium in media for segment in medium.segments))
            first_media = self._next("media")
            engine.add(ids, *_vectors(media, first_media, engine.stats().dim))
            with transaction(self._rows) as rows:
                remaining = iter(ids.tolist())
                for number, medium in enumerate(media, start=first_media):
                    self._forget_paths([medium.file.path])
                    _insert(rows, number, medium, remaining)
                rows.executemany("DELETE FROM gone WHERE id = ?", [(number,) for number in ids.tolist()])
            self.sweep(engine)

    def _next(self, table: str) -> int:
        found = self._rows.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (table,)).fetchone()
        return 1 + (found[0] if found else 0)

    def _reserve(self, count: int) -> Ids:
        """Numbers for new vectors, in `gone` until their rows are there."""
        first = self._next("vectors")
        ids = np.arange(first, first + count, dtype=np.int64)
        with transaction(self._rows) as rows:
            rows.executemany("INSERT OR IGNORE INTO gone VALUES (?)", [(number,) for number in ids.tolist()])
        return ids

    def drop(self, ids: Sequence[int], engine: Engine) -> None:
        """Forget media."""
        if not ids:
            return
        with self._lock, told_when_full(self.folder):
            with transaction(self._rows):
                self._forget(ids)
            self.sweep(engine)

    def _forget_paths(self, paths: Iterable[str]) -> None:
        for path in paths:
            name = (os.fsencode(path),)
            self._forget([row[0] for row in self._rows.execute("SELECT id FROM media WHERE path = ?", name)])
            self._rows.execute("DELETE FROM failures WHERE path = ?", name)

    def _forget(self, ids: Iterable[int]) -> None:
        """Inside a transaction: rows away, their vectors' numbers into `gone`."""
        for number in ids:
            self._rows.execute(
                "INSERT OR IGNORE INTO gone SELECT vectors.id FROM vectors JOIN segments ON segments.id = segment "
                "WHERE media = ?",
                (number,),
            )
            self._rows.execute("DELETE FROM media WHERE id = ?", (number,))

    def sweep(self, engine: Engine) -> int:
        """Remove from the engine what no row speaks of; how many numbers that were."""
        with self._lock, told_when_full(self.folder):
            gone = [row[0] for row in self._rows.execute("SELECT id FROM gone")]
            if gone:
                engine.remove(np.array(gone, np.int64))
                with transaction(self._rows) as rows:
                    rows.executemany("DELETE FROM gone WHERE id = ?", [(number,) for number in gone])
            return len(gone)

    def rename(self, medium: Medium, *, path: str, size: int, mtime_ns: int) -> None:
        """The same content under another name, or with another time."""
        with self._lock, told_when_full(self.folder), transaction(self._rows) as rows:
            if path != medium.path:
                self._forget_paths([path])
            values = (os.fsencode(path), size, mtime_ns, medium.id)
            rows.execute("UPDATE media SET path = ?, size = ?, mtime_ns = ? WHERE id = ?", values)

    def fail(self, failure: Failure) -> None:
        """Note that a file cannot be used."""
        with self._lock, told_when_full(self.folder), transaction(self._rows) as rows:
            # The sentence names the file, and a name may hold bytes that are no text.
            sentence = failure.error.encode("utf-8", errors="replace").decode()
            values = (os.fsencode(failure.path), failure.size, failure.mtime_ns, sentence)
            rows.execute("INSERT OR REPLACE INTO failures VALUES (?, ?, ?, ?)", values)

    def forgive(self, paths: Iterable[str]) -> None:
        """Forget that files could not be used."""
        with self._lock, told_when_full(self.folder), transaction(self._rows) as rows:
            rows.executemany("DELETE FROM failures WHERE path = ?", [(os.fsencode(path),) for path in paths])

    def media(self) -> list[Medium]:
        """All media, by path."""
        return [_medium(row) for row in self._select(f"{_MEDIUM} ORDER BY path")]

    def medium(self, number: int) -> Medium | None:
        """One medium by its number."""
        return next((_medium(row) for row in self._select(f"{_MEDIUM} WHERE id = ?", number)), None)

    def medium_at(self, path: str) -> Medium | None:
        """One medium by its path."""
        return next((_medium(row) for row in self._select(f"{_MEDIUM} WHERE path = ?", os.fsencode(path))), None)

    def same_content(self, sha256: str, made: str) -> list[Medium]:
        """Media with this content, made with these settings."""
        return [
            _medium(row) for row in self._select(f"{_MEDIUM} WHERE sha256 = ? AND made = ? ORDER BY id", sha256, made)
        ]

    def failures(self) -> list[Failure]:
        """Files that cannot be used, by path."""
        rows = self._select("SELECT path, size, mtime_ns, error FROM failures ORDER BY path")
        return [
            Failure(path=os.fsdecode(path), size=size, mtime_ns=time, error=error) for path, size, time, error in rows
        ]

    def segments(self, media: int) -> list[SegmentRow]:
        """The segments of a medium, in time order."""
        return [_segment(row) for row in self._select(f"{_SEGMENT} WHERE media = ? ORDER BY start", media)]

    def segment(self, number: int) -> SegmentRow | None:
        """One segment by its number."""
        return next((_segment(row) for row in self._select(f"{_SEGMENT} WHERE id = ?", number)), None)

    def owners(self, vectors: Iterable[int]) -> dict[int, int]:
        """The segment of each vector; numbers that no row speaks of are left out."""
        found: dict[int, int] = {}
        for number in vectors:
            for (segment,) in self._select("SELECT segment FROM vectors WHERE id = ?", number):
                found[number] = segment
        return found

    def num_vectors(self) -> int:
        """How many vectors there are rows for."""
        return int(self._select("SELECT count(*) FROM vectors")[0][0])

    def vectors(self, segment: int) -> Ids:
        """The numbers of a segment's vectors."""
        rows = self._select("SELECT id FROM vectors WHERE segment = ? ORDER BY id", segment)
        return np.array([row[0] for row in rows], np.int64)

    def thumbnail(self, segment: int) -> bytes | None:
        """The JPEG of a segment, if one was kept."""
        return next((row[0] for row in self._select("SELECT thumbnail FROM segments WHERE id = ?", segment)), None)

    def timeline(self, media: int) -> bytes | None:
        """What was kept of a medium's windows."""
        return next((row[0] for row in self._select("SELECT timeline FROM media WHERE id = ?", media)), None)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._rows.close()

    def _select(self, query: str, *values: Any) -> list[Any]:
        with self._lock:
            return self._rows.execute(query, values).fetchall()


def _vectors(media: Sequence[NewMedium], first: int, dim: int) -> tuple[np.ndarray, list[Payload]]:
    """All vectors in order, with what the engine is told of each."""
    found = [
        (vector, Payload(media=number, start=segment.start, end=segment.end))
        for number, medium in enumerate(media, start=first)
        for segment in medium.segments
        for vector in segment.vectors
    ]
    rows = np.stack([vector for vector, _ in found]) if found else np.empty((0, dim))
    return rows.astype(np.float32), [payload for _, payload in found]


def _insert(rows: sqlite3.Connection, number: int, medium: NewMedium, ids: Iterator[int]) -> None:
    file = medium.file
    values = (number, os.fsencode(file.path), medium.kind, medium.seconds, file.size, file.mtime_ns, file.sha256)
    rows.execute("INSERT INTO media VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", (*values, medium.made, medium.timeline))
    for one in medium.segments:
        said = (number, one.start, one.end, one.caption, one.fidelity, one.thumbnail)
        segment = rows.execute("INSERT INTO segments VALUES (NULL, ?, ?, ?, ?, ?, ?)", said).lastrowid
        rows.executemany("INSERT INTO vectors VALUES (?, ?)", [(next(ids), segment) for _ in one.vectors])


def _medium(row: Any) -> Medium:
    return Medium(
        id=row[0],
        path=os.fsdecode(row[1]),
        kind=row[2],
        seconds=row[3],
        size=row[4],
        mtime_ns=row[5],
        sha256=row[6],
        made=row[7],
        num_segments=row[8],
    )


def _segment(row: Any) -> SegmentRow:
    return SegmentRow(
        id=row[0],
        media=row[1],
        start=row[2],
        end=row[3],
        caption=row[4],
        fidelity=row[5],
        has_thumbnail=bool(row[6]),
    )
