"""Intervals over seeds and held-out samples together: both are drawn again, the same draws for everything compared."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int64

from vljepa.evaluation.metrics import Interval

DRAWS = 1000
LEVEL = 0.95
Values = Float[np.ndarray, "seed item"]


def redrawn(values: Values, *, seed: int = 0) -> Float[np.ndarray, "draw"]:
    """Means of seeds and items drawn with replacement. Values of equal shape are drawn alike, so differences of two
    are paired."""
    seeds, items = _drawn(*values.shape, seed=seed)
    return np.array([values[np.ix_(some, those)].mean() for some, those in zip(seeds, items, strict=True)])


def interval(values: Values) -> Interval:
    """Mean of all values and the interval that 95 of 100 draws fall in."""
    return around(float(values.mean()), redrawn(values))


def around(mean: float, draws: Float[np.ndarray, "draw"]) -> Interval:
    """The interval of draws that are known."""
    low, high = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(mean=mean, low=float(low), high=float(high))


def reached(spent: Sequence[float], curve: Sequence[float], level: float) -> float | None:
    """At how many samples (or seconds) a curve first is at a level, on straight lines between its points; None: never.

    The first point stands for everything before it: what is reached there was reached with at most so many.
    """
    before: tuple[float, float] | None = None
    for number, value in zip(spent, curve, strict=True):
        if value >= level:
            if before is None or value == before[1]:
                return float(number)
            return before[0] + (number - before[0]) * (level - before[1]) / (value - before[1])
        before = (number, value)
    return None


def _drawn(
    num_seeds: int, num_items: int, *, seed: int
) -> tuple[Int64[np.ndarray, "draw seed"], Int64[np.ndarray, "draw item"]]:
    random = np.random.default_rng(seed)
    return random.integers(num_seeds, size=(DRAWS, num_seeds)), random.integers(num_items, size=(DRAWS, num_items))
