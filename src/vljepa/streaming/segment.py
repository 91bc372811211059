"""Where the meaning of a stream changes: offline Ward clustering in which a window joins only its neighbours in time.

Embeddings of all windows in, the whole merge tree out; cutting the tree gives the segments for every wanted number of
decodes (paper, section 4.6 on selective decoding). Time O(n log n) in windows, memory linear.
"""

from dataclasses import dataclass
from heapq import heappop, heappush, heapreplace

import numpy as np
from jaxtyping import Float64, Int64, Shaped
from numpy import ndarray
from torch import Tensor

Embeddings = Shaped[Tensor, "time dim"] | Shaped[ndarray, "time dim"]

Entry = tuple[float, int, int, int]

# Rows handled at once where a temporary of the size of all embeddings would double the memory.
_ROWS = 4096


@dataclass(frozen=True, kw_only=True, eq=False)
class MergeTree:
    """Every merge of a stream from single windows to one segment, in order.

    `merges` holds the two nodes joined, lower number first, numbered as in scikit-learn and scipy: windows are nodes
    0 to n-1, the node made by merge k is n+k. `costs` is the growth in squared distance to the segment means,
    |A||B| / (|A|+|B|) * ||mean A - mean B||^2. `boundaries` is the first window of the later of the two parts.
    """

    merges: Int64[ndarray, "merge 2"]
    costs: Float64[ndarray, "merge"]
    boundaries: Int64[ndarray, "merge"]

    @property
    def num_windows(self) -> int:
        """How many windows were clustered."""
        return len(self.merges) + 1

    def cut(self, num_segments: int) -> list[tuple[int, int]]:
        """First and past-the-last window of each of `num_segments` segments, in time order.

        ValueError where the number is below one or above the number of windows.
        """
        if not 1 <= num_segments <= self.num_windows:
            raise ValueError(f"{num_segments} segments of {self.num_windows} windows: ask for 1 to {self.num_windows}")
        kept = np.sort(self.boundaries[self.num_windows - num_segments :]).tolist()
        return list(zip([0, *kept], [*kept, self.num_windows], strict=True))


def unit_rows(embeddings: Embeddings) -> Float64[ndarray, "time dim"]:
    """A copy of the embeddings in float64 with every row at length one.

    ValueError where there is no row, a number is not finite, or a row has no direction.
    """
    array = embeddings.detach().cpu().double().numpy() if isinstance(embeddings, Tensor) else embeddings
    rows = np.array(array, dtype=np.float64, order="C")
    if not rows.size:
        raise ValueError(f"no embeddings to segment (shape {rows.shape}): give at least one window")
    lengths = np.sqrt(np.einsum("td,td->t", rows, rows))
    broken = np.flatnonzero(~np.isfinite(lengths) | (lengths == 0))
    if broken.size:
        raise ValueError(f"the embedding of window {broken[0]} is zero or not finite: leave such windows out")
    rows /= lengths[:, None]
    return rows


def chain_ward(embeddings: Embeddings) -> MergeTree:
    """Merge neighbouring windows until one segment is left, always the pair that adds least to Ward's squared error.

    Only directions count: rows are brought to length one first. Costs that tie are settled as in scikit-learn, so the
    merges equal those of `AgglomerativeClustering(linkage="ward")` with a chain as connectivity.
    Embeddings are (time, dim) in time order. ValueError as in `unit_rows`.
    """
    return _Chain(unit_rows(embeddings)).merge_all()


class _Chain:
    """Segments that are left, as a linked list in time; a segment lives in the slot of its first window.

    A pair of neighbours is known by its boundary: the slot of the later one. Its entry in the queue is (cost, later
    node, earlier node, boundary) by node number, which is also scikit-learn's order where costs tie.
    """

    def __init__(self, rows: Float64[ndarray, "time dim"]) -> None:
        """Start with each row as a segment of one window; `rows` become the segments' sums as they are merged."""
        num_windows = len(rows)
        self.sums = list(rows)
        self.sizes = [1.0] * num_windows
        self.nodes = list(range(num_windows))
        self.before = list(range(-1, num_windows - 1))
        self.after = list(range(1, num_windows + 1))
        costs = _neighbour_costs(rows)
        # Sorted, neighbours in the queue are neighbours in memory as well, which saves cache misses.
        order = np.argsort(costs, kind="stable")
        self.heap = [
            (cost, slot + 1, slot, slot + 1) for cost, slot in zip(costs[order].tolist(), order.tolist(), strict=True)
        ]
        # What each pair costs now, and its cheapest entry in the heap; both by boundary.
        self.current = [(0.0, 0, 0, 0)] * num_windows
        for entry in self.heap:
            self.current[entry[3]] = entry
        self.queued = list(self.current)
        self.mean = np.empty(rows.shape[1])
        self.difference = np.empty(rows.shape[1])

    def merge_all(self) -> MergeTree:
        """Run all merges."""
        num_windows = len(self.nodes)
        merges: list[int] = []
        costs: list[float] = []
        boundaries: list[int] = []
        for node in range(num_windows, 2 * num_windows - 1):
            cost, later, earlier, boundary = self._cheapest()
            merges += (earlier, later)
            costs.append(cost)
            boundaries.append(boundary)
            self._join(boundary, node)
        return MergeTree(
            merges=np.array(merges, dtype=np.int64).reshape(-1, 2),
            costs=np.array(costs, dtype=np.float64),
            boundaries=np.array(boundaries, dtype=np.int64),
        )

    def _cheapest(self) -> Entry:
        """Take the cheapest pair out of the queue.

        A pair that became dearer stays queued at its old cost and is moved only when it comes up: most pairs change
        several times before that, and each move that is saved is a logarithm of the stream's length.
        """
        heap, current, queued = self.heap, self.current, self.queued
        while True:
            entry = heap[0]
            boundary = entry[3]
            now = current[boundary]
            if now is entry:
                return heappop(heap)
            if entry is queued[boundary]:
                heapreplace(heap, now)
                queued[boundary] = now
            else:
                heappop(heap)

    def _join(self, right: int, node: int) -> None:
        """Make the segments on both sides of a boundary one node, and price its two new pairs."""
        sums, sizes = self.sums, self.sizes
        left, after = self.before[right], self.after[right]
        np.add(sums[left], sums[right], sums[left])
        sizes[left] += sizes[right]
        np.divide(sums[left], sizes[left], self.mean)
        self.nodes[left] = node
        self.after[left] = after
        before = self.before[left]
        if after < len(sums):
            self.before[after] = left
            self._price((self._cost(after, sizes[left]), node, self.nodes[after], after))
        if before >= 0:
            self._price((self._cost(before, sizes[left]), node, self.nodes[before], left))

    def _cost(self, other: int, size: float) -> float:
        """Of joining a neighbour with the segment of `size` whose mean was taken last."""
        difference, count = self.difference, self.sizes[other]
        np.divide(self.sums[other], count, difference)
        np.subtract(difference, self.mean, difference)
        return float(difference.dot(difference)) * (size * count / (size + count))

    def _price(self, entry: Entry) -> None:
        """Note what a pair costs now; only a pair that became cheaper needs a new place in the queue."""
        boundary = entry[3]
        self.current[boundary] = entry
        if entry < self.queued[boundary]:
            self.queued[boundary] = entry
            heappush(self.heap, entry)


def _neighbour_costs(rows: Float64[ndarray, "time dim"]) -> Float64[ndarray, "time-1"]:
    """Ward's cost of every pair of neighbouring single windows."""
    costs = np.empty(len(rows) - 1)
    for first in range(0, len(costs), _ROWS):
        last = min(first + _ROWS, len(costs))
        differences = rows[first + 1 : last + 1] - rows[first:last]
        costs[first:last] = np.einsum("td,td->t", differences, differences) * 0.5
    return costs
