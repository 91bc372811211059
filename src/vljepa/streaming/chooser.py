"""What chooses the decode points of a stream while its windows come; offline, that is whoever waits for all of them."""

from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from vljepa.streaming.segment import MergeTree
from vljepa.streaming.selective import DecodePoint, Policy, WindowTimes, decode_points


@runtime_checkable
class Chooser(Protocol):
    """Windows in, one by one and in time order; decode points out, in time order too."""

    def push(self, embedding: Float[Tensor, "dim"], start: float, end: float) -> list[DecodePoint]:
        """The next window, from `start` to `end` in seconds: what is finished by it."""

    def flush(self) -> list[DecodePoint]:
        """What is left at the end of the stream."""


class WholeStream:
    """Keeps every window and chooses at the end, by one of the offline policies."""

    def __init__(self, policy: Policy, *, rate: float) -> None:
        self._policy, self._rate = policy, rate
        self._rows: list[Float[Tensor, "dim"]] = []
        self._times: list[tuple[float, float]] = []

    def push(self, embedding: Float[Tensor, "dim"], start: float, end: float) -> list[DecodePoint]:
        """Keep the window."""
        self._rows.append(embedding)
        self._times.append((start, end))
        return []

    def flush(self) -> list[DecodePoint]:
        """All decode points; none of a stream without windows."""
        return offline_points(self._policy, torch.stack(self._rows), self._times, rate=self._rate) if self._rows else []


def offline_points(
    policy: Policy,
    embeddings: Float[Tensor, "time dim"],
    times: WindowTimes,
    *,
    rate: float,
    tree: MergeTree | None = None,
) -> list[DecodePoint]:
    """`decode_points` with `rate` decodes a second under each policy that takes a rate."""
    decodes_per_second = None if policy == "every" else rate
    return decode_points(policy, embeddings, times=times, decodes_per_second=decodes_per_second, tree=tree)


def pushed(chooser: Chooser, embeddings: Float[Tensor, "time dim"], times: WindowTimes) -> list[DecodePoint]:
    """The points that are finished by some windows."""
    points = []
    for embedding, (start, end) in zip(embeddings, times, strict=True):
        points += chooser.push(embedding, start, end)
    return points
