"""What the library asks of a vector engine, whichever it is, and how one is named: KIND:WHERE."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32, Int64
from numpy import ndarray

from vljepa.index.errors import IndexFolderError

Vector = Float32[ndarray, "dim"]
Vectors = Float32[ndarray, "row dim"]
Ids = Int64[ndarray, "row"]


class Payload(NamedTuple):
    """What is known of a vector: the number of its medium, and the seconds of it that the vector stands for."""

    media: int
    start: float
    end: float


class Found(NamedTuple):
    """A vector that was found, by its number, and its cosine with what was looked for."""

    id: int
    cosine: float


@dataclass(frozen=True, kw_only=True)
class Where:
    """Which vectors may be found: of these media, and overlapping the seconds from `start` to `end`; None: all."""

    media: frozenset[int] | None = None
    start: float | None = None
    end: float | None = None


EVERYWHERE = Where()


@dataclass(frozen=True, kw_only=True)
class Stats:
    """What an engine holds."""

    engine: str
    count: int
    dim: int


@runtime_checkable
class Engine(Protocol):
    """Vectors of length one under numbers that the library gives, durable when `add` returns.

    To add a number again replaces its vector; to remove one that is not there does nothing. Both may therefore be
    repeated after a crash.
    """

    def add(self, ids: Ids, vectors: Vectors, payloads: Sequence[Payload]) -> None:
        """Keep vectors with their numbers and payloads."""

    def remove(self, ids: Ids) -> None:
        """Forget vectors."""

    def search(self, vectors: Vectors, k: int, where: Where = EVERYWHERE) -> list[list[Found]]:
        """For each vector the `k` most similar ones (fewer where there are fewer), best first."""

    def get(self, ids: Ids) -> Vectors:
        """The vectors of numbers. IndexFolderError where one is missing."""

    def stats(self) -> Stats:
        """How many vectors there are, and of what."""

    def close(self) -> None:
        """Let go of files and connections."""


def in_order(ids: Ids, found: Mapping[int, Float32[ndarray, "dim"]], dim: int) -> Vectors:
    """Vectors in the order of their numbers. IndexFolderError where one is missing."""
    missing = [number for number in ids.tolist() if number not in found]
    if missing:
        raise IndexFolderError(f"the engine lacks vector {missing[0]}, which the library knows: vljepa index --rebuild")
    return np.stack([found[number] for number in ids.tolist()]) if len(ids) else np.empty((0, dim), np.float32)


def conditions(where: Where, *, brackets: str) -> str:
    """The filter as SQL, or what is written alike, over the columns media, start and stop; empty for everything."""
    parts = (
        []
        if where.media is None
        else [f"media IN {brackets[0]}{', '.join(map(str, sorted(where.media)))}{brackets[1]}"]
    )
    parts += [] if where.start is None else [f"stop >= {where.start!r}"]
    parts += [] if where.end is None else [f"start <= {where.end!r}"]
    return " AND ".join(parts)
