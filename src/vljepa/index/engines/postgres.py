"""Vectors in PostgreSQL with the extension pgvector."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import psycopg
from pgvector.psycopg import register_vector
from psycopg import sql

from vljepa.index.engines.protocol import EVERYWHERE, Found, Ids, Payload, Stats, Vectors, Where, in_order


class Postgres:
    """One table of a database; `where` is its address, postgresql://user@host/name."""

    def __init__(self, where: str, *, dim: int, collection: str) -> None:
        self._dim = dim
        self._table = sql.Identifier(collection)
        self._connection = psycopg.connect(where, autocommit=True)
        self._connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
        register_vector(self._connection)
        self._run(
            "CREATE TABLE IF NOT EXISTS {} (id BIGINT PRIMARY KEY, media BIGINT NOT NULL, start DOUBLE PRECISION "
            f"NOT NULL, stop DOUBLE PRECISION NOT NULL, vector vector({int(dim)}) NOT NULL)"
        )
        self._run("CREATE INDEX IF NOT EXISTS {media} ON {} (media)", media=sql.Identifier(f"{collection}_media"))

    def _run(self, query: str, *values: object, **names: sql.Identifier) -> Any:
        return self._connection.execute(sql.SQL(query).format(self._table, **names), values or None)

    def add(self, ids: Ids, vectors: Vectors, payloads: Sequence[Payload]) -> None:
        """Upsert rows in one transaction."""
        query = sql.SQL(
            "INSERT INTO {} VALUES (%s, %s, %s, %s, %s) ON CONFLICT (id) DO UPDATE SET "
            "media = EXCLUDED.media, start = EXCLUDED.start, stop = EXCLUDED.stop, vector = EXCLUDED.vector"
        ).format(self._table)
        rows = [
            (int(number), one.media, one.start, one.end, np.asarray(vector, np.float32))
            for number, vector, one in zip(ids, vectors, payloads, strict=True)
        ]
        with self._connection.transaction(), self._connection.cursor() as cursor:
            cursor.executemany(query, rows)

    def remove(self, ids: Ids) -> None:
        """Delete rows."""
        self._run("DELETE FROM {} WHERE id = ANY(%s)", ids.tolist())

    def search(self, vectors: Vectors, k: int, where: Where = EVERYWHERE) -> list[list[Found]]:
        """By cosine distance; the table's owner may put an index on it, which is then used."""
        media = None if where.media is None else sorted(where.media)
        query = (
            "SELECT id, 1 - (vector <=> %s) FROM {} WHERE (%s::bigint[] IS NULL OR media = ANY(%s)) "
            "AND (%s::float8 IS NULL OR stop >= %s) AND (%s::float8 IS NULL OR start <= %s) "
            "ORDER BY vector <=> %s LIMIT %s"
        )
        limits = (media, media, where.start, where.start, where.end, where.end)
        return [
            [Found(int(number), float(cosine)) for number, cosine in self._run(query, one, *limits, one, k)]
            for one in np.asarray(vectors, np.float32)
        ]

    def get(self, ids: Ids) -> Vectors:
        """Rows by their numbers."""
        rows = self._run("SELECT id, vector FROM {} WHERE id = ANY(%s)", ids.tolist())
        found = {int(number): vector.to_numpy() for number, vector in rows}
        return in_order(ids, found, self._dim)

    def stats(self) -> Stats:
        """The exact count."""
        row = self._run("SELECT count(*) FROM {}").fetchone()
        assert row is not None, "a count is one row"
        return Stats(engine="pgvector", count=int(row[0]), dim=self._dim)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()
