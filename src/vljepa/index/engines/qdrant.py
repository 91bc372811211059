"""Vectors in Qdrant: a folder (its local mode) or the address of a server or cluster."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from qdrant_client import QdrantClient, models

from vljepa.index.engines.protocol import EVERYWHERE, Found, Ids, Payload, Stats, Vectors, Where, in_order

_AT_ONCE = 512


class Qdrant:
    """One collection of a Qdrant; `where` is http(s)://host:port, or else a folder."""

    def __init__(self, where: str, *, dim: int, collection: str) -> None:
        address = "://" in where
        self._client = QdrantClient(url=where) if address else QdrantClient(path=str(Path(where)))
        self._name, self._dim = collection, dim
        if not self._client.collection_exists(collection):
            self._client.create_collection(
                collection, vectors_config=models.VectorParams(size=dim, distance=models.Distance.COSINE)
            )

    def add(self, ids: Ids, vectors: Vectors, payloads: Sequence[Payload]) -> None:
        """Upsert points, and wait until they are kept."""
        points = [
            models.PointStruct(id=int(number), vector=vector.tolist(), payload=payload._asdict())
            for number, vector, payload in zip(ids, vectors, payloads, strict=True)
        ]
        for first in range(0, len(points), _AT_ONCE):
            self._client.upsert(self._name, points[first : first + _AT_ONCE], wait=True)

    def remove(self, ids: Ids) -> None:
        """Delete points."""
        if len(ids):
            self._client.delete(self._name, models.PointIdsList(points=ids.tolist()), wait=True)

    def search(self, vectors: Vectors, k: int, where: Where = EVERYWHERE) -> list[list[Found]]:
        """One query a vector."""
        return [
            [
                Found(int(point.id), point.score)
                for point in self._client.query_points(
                    self._name, query=vector.tolist(), limit=k, query_filter=_filter(where)
                ).points
            ]
            for vector in vectors
        ]

    def get(self, ids: Ids) -> Vectors:
        """Points by their numbers."""
        points = self._client.retrieve(self._name, ids.tolist(), with_vectors=True, with_payload=False)
        found = {int(point.id): np.array(point.vector, np.float32) for point in points}
        return in_order(ids, found, self._dim)

    def stats(self) -> Stats:
        """The exact count."""
        return Stats(engine="qdrant", count=self._client.count(self._name, exact=True).count, dim=self._dim)

    def close(self) -> None:
        """Close the client."""
        self._client.close()


def _filter(where: Where) -> models.Filter:
    conditions: list[models.Condition] = []
    if where.media is not None:
        match = models.MatchAny(any=sorted(where.media))
        conditions.append(models.FieldCondition(key="media", match=match))
    if where.start is not None:
        conditions.append(models.FieldCondition(key="end", range=models.Range(gte=where.start)))
    if where.end is not None:
        conditions.append(models.FieldCondition(key="start", range=models.Range(lte=where.end)))
    return models.Filter(must=conditions)
