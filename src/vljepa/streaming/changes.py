"""Where a whole stream changes most: on both sides of a place, windows are compared that do not lie across it.

A window of some seconds that holds a cut shows both sides of it, and is like neither. Clustering neighbours (`segment`)
makes segments of their own of such windows; here they are passed over.
"""

import math
from collections.abc import Sequence
from heapq import heapify, heappop, heappush
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

# The cosine distance below which nothing has changed (DECISIONS.md, 2026-11-25).
QUIET = 0.3
# What settles places of equal worth.
TIE = 1e-3


class Spacing(NamedTuple):
    """How windows overlap: how many on each side of a place lie across it, how many hops make a window's length."""

    across: int
    apart: int


def spacing(window: float, hop: float) -> Spacing:
    """Of windows of some seconds, one every `hop` seconds; a place between two windows is known to half a hop."""
    ratio = window / hop if hop > 0 else 1.0
    return Spacing(across=max(0, math.ceil(ratio / 2 - 1e-6) - 1), apart=max(1, math.ceil(ratio - 1e-6)))


def strongest_changes(
    unit: Float64[ndarray, "time dim"], times: Sequence[tuple[float, float]], *, num_segments: int
) -> list[tuple[int, int]]:
    """First and past-the-last window of at most `num_segments` segments, in time order.

    They meet where the stream changes most, no nearer to each other than the length of a window, and nowhere where it
    changes by less than QUIET. What is left of the number then halves the longest segments, so that they are not
    decoded too seldom; fewer segments come out where there is no room for more.
    """
    across, apart = _spacing_of(times)
    worth = _worth(unit, across=across)
    free = np.ones(len(unit), dtype=bool)
    free[: across + 1] = free[len(unit) - across :] = False
    cuts: list[int] = []
    for place in np.argsort(-worth, kind="stable").tolist():
        if len(cuts) == num_segments - 1 or worth[place] < QUIET:
            break
        if free[place]:
            cuts.append(place)
            free[max(place - apart + 1, 0) : place + apart] = False
    return _halved([0, *sorted(cuts), len(unit)], num_segments=num_segments, apart=apart)


def _spacing_of(times: Sequence[tuple[float, float]]) -> Spacing:
    """From the windows as most of them lie."""
    middles = [(start + end) / 2 for start, end in times]
    hops = [after - before for before, after in pairwise(middles)]
    return spacing(float(np.median([end - start for start, end in times])), float(np.median(hops)) if hops else 0.0)


def _worth(unit: Float64[ndarray, "time dim"], *, across: int) -> Float64[ndarray, "time"]:
    """For a cut before each window, the cosine distance of the nearest windows that are clear of it."""
    before = np.maximum(np.arange(len(unit)) - across - 1, 0)
    after = np.minimum(np.arange(len(unit)) + across, len(unit) - 1)
    worth = 1 - np.einsum("td,td->t", unit[before], unit[after])
    # Where windows do not smear a cut it would be seen from some places alike: it is where neighbours differ.
    worth[1:] += TIE * (1 - np.einsum("td,td->t", unit[:-1], unit[1:]))
    return worth


def _halved(edges: list[int], *, num_segments: int, apart: int) -> list[tuple[int, int]]:
    """Segments between the edges, the longest halved again and again while both halves are as long as a window."""
    segments = [(first - last, first, last) for first, last in pairwise(edges)]
    heapify(segments)
    while len(segments) < num_segments and -segments[0][0] >= 2 * apart:
        _, first, last = heappop(segments)
        middle = (first + last) // 2
        for part in ((first, middle), (middle, last)):
            heappush(segments, (part[0] - part[1], *part))
    return sorted((first, last) for _, first, last in segments)
