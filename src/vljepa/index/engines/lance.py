"""Vectors in LanceDB: a folder, or an address of an object store."""

from collections.abc import Sequence
from typing import Any

import lancedb
import numpy as np
import pyarrow as pa

from vljepa.index.engines.protocol import (
    EVERYWHERE,
    Found,
    Ids,
    Payload,
    Stats,
    Vector,
    Vectors,
    Where,
    conditions,
    in_order,
)


class Lance:
    """One table of a LanceDB, searched exactly; `where` is what `lancedb.connect` opens."""

    def __init__(self, where: str, *, dim: int, collection: str) -> None:
        self._dim = dim
        schema = pa.schema(
            [
                pa.field("id", pa.int64()),
                pa.field("media", pa.int64()),
                pa.field("start", pa.float64()),
                pa.field("stop", pa.float64()),
                pa.field("vector", pa.list_(pa.float32(), dim)),
            ]
        )
        self._schema = schema
        self._table = lancedb.connect(where).create_table(collection, schema=schema, exist_ok=True)

    def add(self, ids: Ids, vectors: Vectors, payloads: Sequence[Payload]) -> None:
        """Upsert rows in one commit of the table."""
        if not len(ids):
            return
        flat = pa.array(np.asarray(vectors, np.float32).reshape(-1))
        columns = [
            pa.array(ids),
            pa.array([payload.media for payload in payloads], pa.int64()),
            pa.array([payload.start for payload in payloads], pa.float64()),
            pa.array([payload.end for payload in payloads], pa.float64()),
            pa.FixedSizeListArray.from_arrays(flat, self._dim),
        ]
        rows = pa.table(columns, schema=self._schema)
        self._table.merge_insert("id").when_matched_update_all().when_not_matched_insert_all().execute(rows)

    def remove(self, ids: Ids) -> None:
        """Delete rows."""
        if len(ids):
            self._table.delete(_among("id", ids.tolist()))

    def search(self, vectors: Vectors, k: int, where: Where = EVERYWHERE) -> list[list[Found]]:
        """One query a vector, filtered before it is ranked."""
        return [[Found(int(row["id"]), 1 - row["_distance"]) for row in self._found(v, k, where)] for v in vectors]

    def _found(self, vector: Vector, k: int, where: Where) -> list[dict[str, Any]]:
        if where.media is not None and not where.media:
            return []
        query: Any = self._table.search(vector, vector_column_name="vector")
        query = query.distance_type("cosine").limit(k)
        asked = conditions(where, brackets="()")
        query = query.where(asked, prefilter=True) if asked else query
        return list(query.select(["id", "_distance"]).to_list())

    def get(self, ids: Ids) -> Vectors:
        """Rows by their numbers."""
        if not len(ids):
            return np.empty((0, self._dim), np.float32)
        rows = self._table.search().where(_among("id", ids.tolist())).limit(len(ids)).to_arrow()
        vectors = np.array(rows["vector"].to_pylist(), np.float32)
        return in_order(ids, dict(zip(rows["id"].to_pylist(), vectors, strict=True)), self._dim)

    def stats(self) -> Stats:
        """The rows of the table."""
        return Stats(engine="lancedb", count=self._table.count_rows(), dim=self._dim)

    def close(self) -> None:
        """Nothing stays open."""


def _among(column: str, numbers: list[int]) -> str:
    return f"{column} IN ({', '.join(map(str, numbers))})"
