"""Exact search: the most similar rows of a memory-mapped matrix of 16-bit numbers, without a copy where possible."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float16, Float32, Int64
from numpy import ndarray

# Rows that lie apart are gathered, some at a time; neighbours are searched where they lie.
_GATHERED_ROWS = 65_536
_MOST_RUNS = 256


def nearest(
    matrix: Float16[ndarray, "row dim"], rows: Int64[ndarray, "some"], vector: Float32[ndarray, "dim"], k: int
) -> tuple[Int64[ndarray, "found"], Float32[ndarray, "found"]]:
    """Of these rows (ascending) the `k` that are most similar to a vector, best first, with their cosines.

    Rows that are equally similar come in their order.
    """
    parts = [_nearest_of(some, vector, k, numbers) for numbers, some in _blocks(matrix, rows)]
    if not parts:
        return np.empty(0, np.int64), np.empty(0, np.float32)
    found = np.concatenate(parts)
    return ranked(matrix, found, vector, k)


def ranked(
    matrix: Float16[ndarray, "row dim"], rows: Int64[ndarray, "some"], vector: Float32[ndarray, "dim"], k: int
) -> tuple[Int64[ndarray, "found"], Float32[ndarray, "found"]]:
    """Rows by their cosine with a vector, best first; cosines in full precision."""
    cosines = np.asarray(matrix[rows], np.float32) @ vector
    order = np.lexsort((rows, -cosines))[:k]
    return rows[order], cosines[order]


def _blocks(
    matrix: Float16[ndarray, "row dim"], rows: Int64[ndarray, "some"]
) -> Iterator[tuple[Int64[ndarray, "part"], Float16[ndarray, "part dim"]]]:
    """Row numbers with their rows."""
    if len(rows) and rows[-1] - rows[0] == len(rows) - 1:  # one run
        yield rows, matrix[rows[0] : rows[-1] + 1]
        return
    breaks = np.flatnonzero(np.diff(rows) != 1) + 1
    if len(breaks) < _MOST_RUNS:
        for run in np.split(rows, breaks):
            if len(run):
                yield run, matrix[run[0] : run[-1] + 1]
        return
    for first in range(0, len(rows), _GATHERED_ROWS):
        some = rows[first : first + _GATHERED_ROWS]
        yield some, matrix[some]


def _nearest_of(
    matrix: Float16[ndarray, "row dim"], vector: Float32[ndarray, "dim"], k: int, numbers: Int64[ndarray, "row"]
) -> Int64[ndarray, "found"]:
    from usearch.index import MetricKind, search

    if len(numbers) <= k:
        return numbers
    found = search(matrix, vector.astype(np.float16), k, MetricKind.IP, exact=True)
    return numbers[found.keys.astype(np.int64)]
