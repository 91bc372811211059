"""Intervals over seeds and items, and at how many samples a level is reached."""

import numpy as np
import pytest

from vljepa.experiments.intervals import interval, reached, redrawn


def test_an_interval_holds_what_seeds_and_items_vary_by() -> None:
    random = np.random.default_rng(0)
    same = interval(np.full((3, 10), 0.25))
    assert (same.mean, same.low, same.high) == (0.25, 0.25, 0.25)
    by_item = np.tile(random.random(50), (3, 1))
    by_seed = np.tile(np.array([[0.0], [0.5], [1.0]]), (1, 50))
    for values in (by_item, by_seed):
        found = interval(values)
        assert found.low < found.mean < found.high
        assert found.mean == pytest.approx(values.mean())
    assert interval(by_seed).high - interval(by_seed).low > 0.6


def test_differences_are_paired() -> None:
    values = np.random.default_rng(1).random((3, 20))
    assert np.allclose(redrawn(values + 0.1) - redrawn(values), 0.1)


@pytest.mark.parametrize(("level", "samples"), [(0.0, 10), (1.0, 10), (1.5, 15), (3.0, 40), (2.0, 20), (3.1, None)])
def test_a_level_is_reached_on_the_line_between_checkpoints(level: float, samples: float | None) -> None:
    assert reached([10, 20, 30, 40], [1.0, 2.0, 1.0, 3.0], level) == samples
