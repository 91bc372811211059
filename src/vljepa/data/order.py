"""Which sample stands at which place of an endless, shuffled walk through a corpus: arithmetic, nothing to be saved.

Each epoch the shards are shuffled and dealt to the ranks (`lanes`); within a lane, the samples of `WINDOW` neighbouring
shards are shuffled together, so only a few shards are open at a time. A lane never ends, so every rank has equally
many steps; with fewer shards than lanes, each lane takes every so manyeth sample instead.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Int64

WINDOW = 4


class Spot(NamedTuple):
    """A sample: the number of its shard, and its own within the shard."""

    shard: int
    number: int


class Order:
    """The walk of one lane through shards of the given counts."""

    def __init__(self, counts: Sequence[int], *, seed: int, lane: int = 0, lanes: int = 1) -> None:
        if not counts or min(counts) < 1:
            raise ValueError(f"an order needs shards that each hold a sample, not {list(counts)}")
        if not 0 <= lane < lanes:
            raise ValueError(f"lane {lane} of {lanes} does not exist: lanes count from 0")
        self._counts, self._seed, self._lane, self._lanes = np.asarray(counts), seed, lane, lanes
        self._dealt = len(counts) >= lanes
        self._starts = [0]
        self._epoch = lru_cache(2)(self._shards_of)
        self._shuffled = lru_cache(2)(self._window)

    def __getitem__(self, place: int) -> Spot:
        """The sample at a place from 0 on."""
        if not self._dealt:
            place = place * self._lanes + self._lane
        epoch = self._epoch_of(place)
        within = place - self._starts[epoch]
        _, ends = self._epoch(epoch)
        first = int(np.searchsorted(ends, within, side="right")) // WINDOW * WINDOW
        before = int(ends[first - 1]) if first else 0
        spot = self._shuffled(epoch, first)[within - before]
        return Spot(int(spot[0]), int(spot[1]))

    def _epoch_of(self, place: int) -> int:
        while place >= self._starts[-1]:
            _, ends = self._epoch(len(self._starts) - 1)
            self._starts.append(self._starts[-1] + int(ends[-1]))
        return int(np.searchsorted(self._starts, place, side="right")) - 1

    def _shards_of(self, epoch: int) -> tuple[Int64[np.ndarray, "shard"], Int64[np.ndarray, "shard"]]:
        """This lane's shards in the epoch's order, and where each ends."""
        order = np.random.default_rng([self._seed, epoch]).permutation(len(self._counts))
        mine = order[self._lane :: self._lanes] if self._dealt else order
        return mine, np.cumsum(self._counts[mine])

    def _window(self, epoch: int, first: int) -> Int64[np.ndarray, "sample 2"]:
        """The samples of the window's shards, shuffled: (shard, number)."""
        shards = self._epoch(epoch)[0][first : first + WINDOW]
        spots = [(shard, number) for shard in shards for number in range(self._counts[shard])]
        lane = self._lane if self._dealt else 0
        return np.random.default_rng([self._seed, epoch, first, lane]).permutation(np.array(spots))

    def __getstate__(self) -> tuple[list[int], int, int, int]:
        """Numbers alone: caches are filled again where it is unpickled."""
        return self._counts.tolist(), self._seed, self._lane, self._lanes

    def __setstate__(self, state: tuple[list[int], int, int, int]) -> None:
        counts, seed, lane, lanes = state
        self.__init__(counts, seed=seed, lane=lane, lanes=lanes)  # type: ignore[misc]
