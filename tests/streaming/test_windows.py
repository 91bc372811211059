"""Windows over a stream of frames: which frames, when, and that nothing later is needed."""

import gc
import weakref
from collections.abc import Iterator
from itertools import pairwise

import pytest
import torch

from vljepa.streaming.windows import Window, windows


def stream(num: int, *, fps: float = 10.0, start: float = 0.0) -> Iterator[tuple[float, torch.Tensor]]:
    for number in range(num):
        yield start + number / fps, torch.full((1, 1, 3), number % 256, dtype=torch.uint8)


def at(*times: float) -> Iterator[tuple[float, torch.Tensor]]:
    return ((time, torch.tensor([number])) for number, time in enumerate(times))


def test_windows_lie_a_hop_apart_and_take_the_frame_seen_at_the_end_of_each_part() -> None:
    found = list(windows(stream(31), window=2.0, hop=0.5, num_frames=4))
    assert [(one.start, one.end) for one in found] == [(0, 2), (0.5, 2.5), (1, 3)]
    assert [one.numbers for one in found] == [(5, 10, 15, 20), (10, 15, 20, 25), (15, 20, 25, 30)]
    assert found[0].times == (0.5, 1.0, 1.5, 2.0)


def test_overlapping_windows_share_frames_at_odd_rates() -> None:
    found = list(windows(stream(300, fps=30000 / 1001), window=1.0, hop=1 / 3, num_frames=3))
    for earlier, later in pairwise(found[:-1]):
        assert earlier.numbers[1:] == later.numbers[:-1]


def test_frames_are_the_objects_that_came_in() -> None:
    given = list(stream(31))
    for one in windows(iter(given), window=2.0, hop=0.5, num_frames=4):
        for number, time, frame in zip(one.numbers, one.times, one.frames, strict=True):
            assert frame is given[number][1] and time == given[number][0]


@pytest.mark.parametrize("fps", [7.0, 29.97, 10.0])
@pytest.mark.parametrize("hop", [0.3, 1.0, 2.5])
def test_no_window_needs_a_later_frame(fps: float, hop: float) -> None:
    given = list(stream(80, fps=fps, start=3.2))
    whole = list(windows(iter(given), window=1.0, hop=hop, num_frames=5))
    for one in whole[:-1]:
        assert one.start - 1e-6 <= min(one.times) and max(one.times) <= one.end + 1e-6
        past = [pair for pair in given if pair[0] <= one.end + 1e-6]
        past.append((one.end + 0.001, torch.zeros(1)))
        again = [other for other in windows(iter(past), window=1.0, hop=hop, num_frames=5) if other.end == one.end]
        assert [other.numbers for other in again] == [one.numbers]


def test_a_window_is_handed_out_with_its_last_frame() -> None:
    seen = 0

    def counted() -> Iterator[tuple[float, torch.Tensor]]:
        nonlocal seen
        for pair in stream(50):
            seen += 1
            yield pair

    first = next(windows(counted(), window=2.0, hop=0.5, num_frames=4))
    assert first.end == 2.0 and seen == 21


def test_variable_frame_rate_holds_the_latest_frame() -> None:
    (one,) = windows(at(0.0, 0.1, 0.2, 1.5, 2.0), window=2.0, hop=2.0, num_frames=4)
    assert one.numbers == (2, 2, 3, 4)


def test_a_late_start_is_the_start() -> None:
    found = list(windows(stream(31, start=100.0), window=2.0, hop=1.0, num_frames=2))
    assert [(one.start, one.end) for one in found] == [(100, 102), (101, 103)]


def test_a_gap_gives_no_windows_and_no_stale_frames() -> None:
    found = list(windows(at(0.0, 1.0, 2.0, 3600.4, 3601.0, 3602.0, 3603.0), window=2.0, hop=1.0, num_frames=2))
    assert [(one.start, one.numbers) for one in found] == [
        (0, (1, 2)),
        (1, (2, 2)),
        (2, (2, 2)),
        (3599, (3, 4)),
        (3600, (4, 5)),
        (3601, (5, 6)),
    ]


def test_what_remains_becomes_a_last_window_that_ends_with_the_stream() -> None:
    found = list(windows(stream(24), window=2.0, hop=1.0, num_frames=2))
    assert [(one.start, one.end) for one in found] == [(0.0, 2.0), (1.0, 2.3)]
    assert found[1].numbers == (16, 23)


def test_a_stream_shorter_than_a_window_is_one_window_over_its_length() -> None:
    (one,) = windows(stream(9), window=60.0, hop=30.0, num_frames=4)
    assert (one.start, one.end, one.numbers) == (0.0, 0.8, (2, 4, 6, 8))


def test_one_frame_is_one_window() -> None:
    (one,) = windows(at(5.0), window=2.0, hop=1.0, num_frames=3)
    assert isinstance(one, Window) and (one.start, one.end, one.numbers) == (5.0, 5.0, (0, 0, 0))


def test_no_frames_no_windows() -> None:
    assert list(windows(at(), window=2.0, hop=1.0, num_frames=3)) == []


def test_hop_longer_than_the_window_skips_frames() -> None:
    found = list(windows(stream(101), window=1.0, hop=4.0, num_frames=2))
    assert [one.numbers for one in found] == [(5, 10), (45, 50), (85, 90)]


def test_memory_is_that_of_one_window() -> None:
    alive: list[weakref.ref[torch.Tensor]] = []

    def watched() -> Iterator[tuple[float, torch.Tensor]]:
        for time, frame in stream(2000):
            alive.append(weakref.ref(frame))
            yield time, frame

    most = 0
    for one in windows(watched(), window=2.0, hop=0.5, num_frames=4):
        del one
        gc.collect(0)
        most = max(most, sum(ref() is not None for ref in alive))
    assert most <= 2.0 * 10 + 2


def test_time_running_backwards_is_refused() -> None:
    with pytest.raises(ValueError, match=r"frame 2 is of 0\.5 s after 1\.0 s"):
        list(windows(at(0.0, 1.0, 0.5), window=2.0, hop=1.0, num_frames=2))
    with pytest.raises(ValueError, match="frame 0 is of nan s"):
        list(windows(at(float("nan")), window=2.0, hop=1.0, num_frames=2))


@pytest.mark.parametrize("wrong", [{"window": 0.0}, {"hop": -1.0}, {"num_frames": 0}, {"hop": float("nan")}])
def test_settings_are_checked_before_the_first_frame(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be above 0"):
        windows(at(0.0), **{"window": 2.0, "hop": 1.0, "num_frames": 2, **wrong})
