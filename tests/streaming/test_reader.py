"""A queue between two threads that stays short: wait or drop the oldest, and nothing is lost unseen."""

import threading
import time
from collections.abc import Callable, Generator

import pytest

from vljepa.streaming.reader import Reader


def counting(count: int, *, made: list[int] | None = None) -> Generator[int, None, None]:
    for number in range(count):
        if made is not None:
            made.append(number)
        yield number


def until(true: Callable[[], bool]) -> None:
    """Wait until something has happened on the other thread; ten seconds are a failure."""
    end = time.monotonic() + 10
    while not true():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.002)


def test_everything_comes_in_order_in_whole_portions():
    with Reader(counting(10), places=4, drop=False) as reader:
        portions = [reader.take(4, at_once=False) for _ in range(4)]
    assert portions == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9], []]
    assert reader.dropped == 0


def test_a_reader_that_waits_runs_no_further_ahead_than_its_places():
    made: list[int] = []
    with Reader(counting(100, made=made), places=5, drop=False) as reader:
        until(lambda: len(made) == 6)  # five are held, the sixth waits
        time.sleep(0.05)
        assert len(made) == 6
        reader.take(2, at_once=False)
        until(lambda: len(made) == 8)
    time.sleep(0.05)
    assert len(made) <= 9


def test_a_reader_that_drops_keeps_the_newest_and_counts():
    made: list[int] = []
    with Reader(counting(100, made=made), places=5, drop=True) as reader:
        until(lambda: len(made) == 100)
        until(lambda: not reader._thread.is_alive())
        assert reader.take(10, at_once=True) == [95, 96, 97, 98, 99]
        assert reader.take(10, at_once=True) == []
    assert reader.dropped == 95


def test_at_once_takes_what_is_there():
    more = threading.Event()

    def slow() -> Generator[int, None, None]:
        yield 1
        assert more.wait(10)
        yield 2

    with Reader(slow(), places=8, drop=False) as reader:
        assert reader.take(8, at_once=True) == [1]
        more.set()
        assert reader.take(8, at_once=True) == [2]


def test_reading_goes_on_while_the_taker_is_busy():
    made: list[int] = []
    with Reader(counting(8, made=made), places=8, drop=False) as reader:
        assert reader.take(1, at_once=True) == [0]
        until(lambda: len(made) == 8)  # although nobody takes


def test_what_was_made_before_an_error_comes_first():
    def failing() -> Generator[int, None, None]:
        yield 1
        yield 2
        raise ValueError("broke")

    with Reader(failing(), places=8, drop=False) as reader:
        assert reader.take(8, at_once=False) == [1, 2]
        for _ in range(2):
            with pytest.raises(ValueError, match="broke"):
                reader.take(8, at_once=False)


def test_the_generator_is_closed_when_nobody_reads_on():
    closed = threading.Event()

    def endless() -> Generator[int, None, None]:
        try:
            while True:
                yield 1
        finally:
            closed.set()

    with Reader(endless(), places=2, drop=False) as reader:
        reader.take(1, at_once=True)
    assert closed.wait(10)


def test_a_source_that_never_answers_holds_up_nobody():
    stuck = threading.Event()

    def silent() -> Generator[int, None, None]:
        stuck.wait(10)
        yield 1

    begin = time.monotonic()
    with Reader(silent(), places=2, drop=False) as reader:
        pass
    assert time.monotonic() - begin < 5
    assert reader._thread.daemon
    stuck.set()
