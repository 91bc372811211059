"""What a cut of the open segment would be worth, by four rules.

All speak of the same thing, so that one threshold fits them all: the cosine distance between the two sides of a cut
with `smooth` windows on each. They differ in what they look at, and therefore in what noise and slow change do to them.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from vljepa.streaming.changes import TIE
from vljepa.streaming.open_segment import OpenSegment

Method = Literal["clear", "change", "cluster", "variance"]


class Cut(NamedTuple):
    """A place to cut: before which window of the stream, and what it is worth (a cosine distance, 0 for nothing)."""

    boundary: int
    worth: float


def clear(opened: OpenSegment, smooth: int) -> Cut:
    """As `change`, but windows that lie across the cut are passed over: they show both sides and are like neither.

    Two cuts are no nearer to each other than the length of a window.
    """
    across, apart = opened.spacing
    side = across + smooth
    boundary = opened.last - side
    rows = opened.rows(2 * side)
    if len(rows) < 2 * side or (opened.first and boundary - opened.first < apart):
        return Cut(boundary, 0.0)
    before, after = rows[:smooth].sum(axis=0), rows[-smooth:].sum(axis=0)
    return Cut(boundary, 1 - _cosine(before, after) + TIE * (1 - _cosine(rows[side - 1], rows[side])))


def change(opened: OpenSegment, smooth: int) -> Cut:
    """How far the smoothed embedding moved: the mean of the latest `smooth` windows against the mean of those before.

    The cut is `smooth` windows back, between the two. Slow change passes below it.
    """
    rows = opened.rows(2 * smooth)
    before, after = rows[:-smooth].sum(axis=0), rows[-smooth:].sum(axis=0)
    return Cut(opened.last - smooth, 1 - _cosine(before, after))


def variance(opened: OpenSegment, smooth: int) -> Cut:
    """The paper's sketch: the variance of the latest embeddings once they are smoothed.

    Smoothed are the latest `2 * smooth` windows, each average is over `smooth` of them, and the cut is in the middle.
    Of a clean step in the middle the averages move evenly from one side to the other; the factor makes their variance
    the cosine distance of the two sides. Slow change passes below it.
    """
    rows = opened.rows(2 * smooth)
    sums = np.concatenate([np.zeros_like(rows[:1]), rows.cumsum(axis=0)])
    smoothed = (sums[smooth:] - sums[:-smooth]) / smooth
    spread = float(np.square(smoothed - smoothed.mean(axis=0)).sum(axis=1).mean())
    return Cut(opened.last - smooth, spread * 6 * smooth / (smooth + 2))


def cluster(opened: OpenSegment, smooth: int) -> Cut:
    """Ward's criterion: the cut that takes most off the squared distances of all windows to their segment's mean.

    That is the pair of neighbours that clustering would join last, |A||B| / (|A|+|B|) * ||mean A - mean B||^2, over all
    cuts of the whole open segment. What came before the windows that are held takes part as a sum. Divided by
    `2 * smooth`, the criterion for `smooth` windows that follow many is a cosine distance.
    """
    rows = opened.rows()
    sums = opened.older + rows.cumsum(axis=0)
    left = opened.num_older + np.arange(1, len(rows))
    right = len(opened) - left
    difference = sums[:-1] / left[:, None] - (sums[-1] - sums[:-1]) / right[:, None]
    costs = np.einsum("td,td->t", difference, difference) * left * right / len(opened)
    costs[left < smooth] = 0
    best = int(costs.argmax())
    return Cut(opened.oldest + best + 1, float(costs[best]) / (2 * smooth))


RULES: dict[Method, Callable[[OpenSegment, int], Cut]] = {
    "clear": clear,
    "change": change,
    "cluster": cluster,
    "variance": variance,
}


def _cosine(one: Float64[ndarray, "dim"], other: Float64[ndarray, "dim"]) -> float:
    """The cosine of two vectors; 0 where one of them has no direction."""
    lengths = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float(one @ other) / lengths if lengths else 0.0
