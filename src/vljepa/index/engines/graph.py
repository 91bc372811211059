"""The approximate index beside a file of vectors: a usearch graph over its first rows, kept in a file of its own.

It holds the vectors in 8 bits, half the memory of the file's 16, and finds the same: who asks ranks what it finds by
the file's own numbers.
"""

import os
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float16, Float32, Int64
from numpy import ndarray

CONNECTIVITY, EXPANSION_BUILD, EXPANSION_SEARCH = 16, 128, 256
# Rows between two moments at which building can be interrupted; the longest that Ctrl-C has to wait.
_AT_ONCE = 5_000
# Of unit vectors a number is about 1 / sqrt(dim) large; eight times that is kept, and what is larger is cut.
_LARGEST = 8.0


class Graph:
    """Row numbers that are probably the nearest; `rows`: how many of the file's first rows it has seen."""

    def __init__(self, dim: int) -> None:
        self.rows = 0
        self._dim = dim
        self._index: Any = None
        self._path: Path | None = None

    def opened(self, path: Path) -> bool:
        """Whether there is such a file; it is mapped, not read."""
        if path != self._path:
            self._index, self._path, self.rows = None, path, 0
        if self._index is None and path.is_file():
            self._index = self._empty()
            self._index.view(str(path))
            self.rows = len(self._index)
        return self._index is not None

    def _empty(self) -> Any:
        from usearch.index import Index, MetricKind, ScalarKind

        return Index(
            ndim=self._dim,
            metric=MetricKind.IP,
            dtype=ScalarKind.I8,
            connectivity=CONNECTIVITY,
            expansion_add=EXPANSION_BUILD,
            expansion_search=EXPANSION_SEARCH,
        )

    def build(self, matrix: Float16[ndarray, "row dim"], path: Path) -> None:
        """Add the rows that are new; every row of the file, also a hole, so that its number says what it has seen.

        What an interruption leaves is kept: it answers for its rows, and the next call goes on behind them.
        """
        index = self._empty()
        if path.is_file():
            index.load(str(path))
        work: Future[Any] | None = None
        # In a thread of its own, which no signal reaches: usearch would stop anywhere, with rows left out before others
        # that it has taken, and how many there are would not say any more which ones it has seen.
        with ThreadPoolExecutor(1) as aside:
            try:
                for first in range(len(index), len(matrix), _AT_ONCE):
                    some = matrix[first : first + _AT_ONCE]
                    keys = np.arange(first, first + len(some), dtype=np.uint64)
                    work = aside.submit(index.add, keys, self._in_8_bits(some))
                    work.result()
            finally:
                if work is not None and work.exception() is None:
                    _save(index, path)
        self._index = self._path = None

    def nearest(self, vector: Float32[ndarray, "dim"], k: int, *, share: float) -> Int64[ndarray, "found"]:
        """Row numbers near a vector; more than `k` where only a share of the rows may be found."""
        assert self._index is not None, "the caller has asked whether it is there"
        wanted = min(int(2 * k / max(share, 0.05)) + 16, self.rows)
        return self._index.search(self._in_8_bits(vector), wanted).keys.astype(np.int64)

    def _in_8_bits(self, vectors: ndarray) -> ndarray:
        scale = 127 * np.sqrt(self._dim) / _LARGEST
        return np.rint(np.asarray(vectors, np.float32) * scale).clip(-127, 127).astype(np.int8)


def _save(index: Any, path: Path) -> None:
    temporary = path.with_suffix(".tmp")
    index.save(str(temporary))
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    temporary.replace(path)
