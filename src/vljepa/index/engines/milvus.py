"""Vectors in Milvus: a file (milvus-lite) or the address of a server or cluster."""

from collections.abc import Sequence

import numpy as np
from pymilvus import DataType, MilvusClient

from vljepa.index.engines.protocol import EVERYWHERE, Found, Ids, Payload, Stats, Vectors, Where, conditions, in_order

_AT_ONCE = 1000
_EXACT = {"index_type": "FLAT", "metric_type": "COSINE"}


class Milvus:
    """One collection of a Milvus; `where` is a FILE.db or http(s)://host:port."""

    def __init__(self, where: str, *, dim: int, collection: str) -> None:
        self._client = MilvusClient(where)
        self._name, self._dim = collection, dim
        if not self._client.has_collection(collection):
            self._make()
        self._client.load_collection(collection)

    def _make(self) -> None:
        schema = self._client.create_schema(auto_id=False)
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("media", DataType.INT64)
        schema.add_field("start", DataType.DOUBLE)
        schema.add_field("stop", DataType.DOUBLE)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=self._dim)
        index = self._client.prepare_index_params()
        index.add_index(field_name="vector", **_EXACT)
        # What was written is seen by the search that follows.
        self._client.create_collection(self._name, schema=schema, index_params=index, consistency_level="Strong")

    def add(self, ids: Ids, vectors: Vectors, payloads: Sequence[Payload]) -> None:
        """Upsert entities and flush them to where they last."""
        rows = [
            {"id": int(number), "media": one.media, "start": one.start, "stop": one.end, "vector": vector.tolist()}
            for number, vector, one in zip(ids, vectors, payloads, strict=True)
        ]
        for first in range(0, len(rows), _AT_ONCE):
            self._client.upsert(self._name, rows[first : first + _AT_ONCE])
        self._client.flush(self._name)

    def remove(self, ids: Ids) -> None:
        """Delete entities."""
        if len(ids):
            self._client.delete(self._name, ids=ids.tolist())

    def search(self, vectors: Vectors, k: int, where: Where = EVERYWHERE) -> list[list[Found]]:
        """All vectors in one call."""
        if where.media is not None and not where.media:
            return [[] for _ in vectors]
        rows = np.asarray(vectors, np.float32).tolist()
        found = self._client.search(self._name, data=rows, limit=k, filter=conditions(where, brackets="[]"))
        return [[Found(int(hit["id"]), float(hit["distance"])) for hit in hits] for hits in found]

    def get(self, ids: Ids) -> Vectors:
        """Entities by their numbers."""
        if not len(ids):
            return np.empty((0, self._dim), np.float32)
        rows = self._client.get(self._name, ids=ids.tolist(), output_fields=["id", "vector"])
        found = {int(row["id"]): np.array(row["vector"], np.float32) for row in rows}
        return in_order(ids, found, self._dim)

    def stats(self) -> Stats:
        """The exact count."""
        rows = self._client.query(self._name, filter="", output_fields=["count(*)"])
        return Stats(engine="milvus", count=int(rows[0]["count(*)"]), dim=self._dim)

    def close(self) -> None:
        """Close the connection."""
        self._client.close()
