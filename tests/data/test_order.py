"""The endless walk: every sample once an epoch, shuffled, split over lanes, the same whoever asks for it."""

import pickle
from collections import Counter
from itertools import pairwise

import pytest

from vljepa.data.order import WINDOW, Order, Spot

COUNTS = [5, 3, 8, 1, 4, 6, 2, 7, 9]
EVERY = sorted(Spot(shard, number) for shard, count in enumerate(COUNTS) for number in range(count))


def test_an_epoch_holds_every_sample_once_and_the_next_one_in_another_order() -> None:
    order = Order(COUNTS, seed=1)
    first, second = ([order[e * len(EVERY) + place] for place in range(len(EVERY))] for e in (0, 1))
    assert sorted(first) == sorted(second) == EVERY
    assert first != second != EVERY


def test_lanes_share_an_epoch_without_overlap() -> None:
    lanes = [Order(COUNTS, seed=1, lane=lane, lanes=3) for lane in range(3)]
    first_epoch = [order[place] for order in lanes for place in range(_first_epoch(order))]
    assert sorted(first_epoch) == EVERY


def _first_epoch(order: Order) -> int:
    """Nine shards are dealt to three lanes, three each: fewer than a window, so all three are soon seen."""
    shards: set[int] = set()
    place = 0
    while len(shards) < 3:
        shards.add(order[place].shard)
        place += 1
    return sum(COUNTS[shard] for shard in shards)


def test_fewer_shards_than_lanes_are_dealt_by_sample() -> None:
    lanes = [Order([10, 20], seed=0, lane=lane, lanes=5) for lane in range(5)]
    seen = Counter(order[place] for order in lanes for place in range(6))
    assert len(seen) == 30 and set(seen.values()) == {1}


def test_a_place_does_not_depend_on_what_was_asked_before() -> None:
    walked = Order(COUNTS, seed=4, lane=1, lanes=2)
    expected = [walked[place] for place in range(100)]
    fresh = pickle.loads(pickle.dumps(Order(COUNTS, seed=4, lane=1, lanes=2)))
    assert [fresh[place] for place in (99, 3, 57)] == [expected[place] for place in (99, 3, 57)]
    assert [Order(COUNTS, seed=5, lane=1, lanes=2)[place] for place in range(100)] != expected


def test_only_a_window_of_shards_is_open_at_a_time() -> None:
    order = Order([10] * 40, seed=2)
    shards = [order[place].shard for place in range(400)]
    for first in range(0, 400, 10 * WINDOW):
        assert len(set(shards[first : first + 10 * WINDOW])) == WINDOW
    assert sum(a != b for a, b in pairwise(shards)) > 200  # and within it they are mixed


@pytest.mark.parametrize(("counts", "lane"), [([], 0), ([3, 0], 0), ([3], 1)])
def test_an_order_of_nothing_is_refused(counts: list[int], lane: int) -> None:
    with pytest.raises(ValueError, match=r"an order needs shards|lane 1 of 1"):
        Order(counts, seed=0, lane=lane)
