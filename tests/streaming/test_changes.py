"""Strongest changes: cuts are found though windows smear them, are a window apart, and leave quiet places alone."""

from itertools import pairwise

import pytest
import torch

from vljepa.streaming.changes import QUIET, spacing
from vljepa.streaming.online import OnlineSettings, online_points
from vljepa.streaming.selective import DecodePoint, decode_points

FRAMES = 4  # a second; a window is two seconds long and there is one every half second


def smeared(*seconds: float, noise: float = 0.0) -> tuple[torch.Tensor, list[tuple[float, float]]]:
    """Windows over scenes along the axes; one across a cut shows a third thing, as a model's windows do."""
    generator = torch.Generator().manual_seed(0)
    shown = [scene for scene, length in enumerate(seconds) for _ in range(round(length * FRAMES))]
    rows, times = [], []
    for first in range(0, len(shown) - 2 * FRAMES + 1, FRAMES // 2):
        inside = torch.eye(24)[shown[first : first + 2 * FRAMES]].mean(dim=0)
        strange = torch.eye(24)[23 - shown[first]] * 3 * (1 - inside.max())
        rows.append(inside + strange + noise * torch.randn(24, generator=generator))
        times.append((first / FRAMES, first / FRAMES + 2))
    return torch.stack(rows), times


def cuts(points: list[DecodePoint]) -> list[float]:
    return [point.segment.start for point in points[1:]]


def test_cuts_are_found_where_clustering_makes_segments_of_the_windows_across_them() -> None:
    embeddings, times = smeared(6.0, 2.0, 9.0, 4.0, noise=0.02)
    found = decode_points("selective", embeddings, times=times, num_segments=4)
    assert cuts(found) == pytest.approx([6.0, 8.0, 17.0], abs=0.5)
    clustered = decode_points("ward", embeddings, times=times, num_segments=4)
    assert any(abs(cut - true) > 0.5 for cut, true in zip(cuts(clustered), (6.0, 8.0, 17.0), strict=True))


def test_what_is_decoded_shows_nothing_of_the_scenes_beside_it() -> None:
    embeddings, times = smeared(6.0, 5.0, 9.0)
    for points in (
        decode_points("selective", embeddings, times=times, num_segments=3),
        online_points(embeddings, times, settings=OnlineSettings(rate=0.5)),
    ):
        assert [int(point.embedding.argmax()) for point in points] == [0, 1, 2]
        assert min(float(point.embedding.max()) for point in points) > 0.99
    mean = decode_points("selective", embeddings, times=times, num_segments=3, pooling="mean")
    assert min(float(point.embedding.max()) for point in mean) < 0.99


def test_the_rest_of_the_number_halves_what_is_longest() -> None:
    embeddings, times = smeared(20.0, 4.0)
    found = decode_points("selective", embeddings, times=times, num_segments=4)
    assert [round(end - start) for start, end in pairwise([0.0, *cuts(found), 24.0])] == [5, 5, 10, 4]
    most = decode_points("selective", embeddings, times=times, num_segments=40)
    assert len(most) < 40
    assert min(point.segment.last - point.segment.first for point in most) >= 3


def test_less_than_quiet_is_no_change() -> None:
    angle = torch.acos(torch.tensor(1 - 0.8 * QUIET))
    rows = torch.tensor([[1.0, 0.0]] * 30 + [[float(angle.cos()), float(angle.sin())]] * 10)
    times = [(place / 2, place / 2 + 2) for place in range(40)]
    assert cuts(decode_points("selective", rows, times=times, num_segments=2)) == [10.75]  # halved, not cut at 15.75
    assert len(online_points(rows, times, settings=OnlineSettings(rate=0.5))) == 1
    assert len(online_points(rows, times, settings=OnlineSettings(rate=0.5, quiet=0.1))) == 2


def test_online_finds_the_same_cuts_in_smeared_windows() -> None:
    embeddings, times = smeared(6.0, 3.0, 9.0, 4.0, noise=0.02)
    found = online_points(embeddings, times, settings=OnlineSettings(rate=0.5))
    assert cuts(found) == pytest.approx([6.0, 9.0, 18.0], abs=0.5)


@pytest.mark.parametrize(
    ("window", "hop", "across", "apart"),
    [(2.0, 0.5, 1, 4), (2.0, 2.0, 0, 1), (2.0, 1.0, 0, 2), (2.0, 0.25, 3, 8), (2.0, 0.0, 0, 1)],
)
def test_spacing_is_that_of_the_windows(window: float, hop: float, across: int, apart: int) -> None:
    assert spacing(window, hop) == (across, apart)


def test_one_window_is_one_segment() -> None:
    (point,) = decode_points("selective", torch.eye(3)[:1], times=[(1.0, 3.0)], num_segments=1)
    assert (point.segment.start, point.segment.end) == (1.0, 3.0)


def axes(*places: int) -> tuple[torch.Tensor, list[tuple[float, float]]]:
    """A window along an axis for each place; of two seconds, two a second, so one on each side of a cut is across."""
    return torch.eye(4)[list(places)], [(place / 2, place / 2 + 2) for place in range(len(places))]


def firsts(points: list[DecodePoint]) -> list[int]:
    return [point.segment.first for point in points]


@pytest.mark.parametrize(("places", "cut"), [([0] + [1] * 11, 2), ([1] * 11 + [0], 10), ([1] * 10 + [0] * 2, 10)])
def test_a_cut_has_windows_that_are_clear_of_it_on_both_sides(places: list[int], cut: int) -> None:
    embeddings, times = axes(*places)
    assert firsts(decode_points("selective", embeddings, times=times, num_segments=2)) == [0, cut]


def test_the_strongest_come_first_and_no_more_than_are_asked_for() -> None:
    embeddings, times = axes(*[0] * 10, *[1] * 10, *[2] * 10)
    embeddings[10:20] = torch.tensor([0.6, 0.8, 0.0, 0.0])  # 0.4 from what is before, 1 from what is after
    assert firsts(decode_points("selective", embeddings, times=times, num_segments=1)) == [0]
    assert firsts(decode_points("selective", embeddings, times=times, num_segments=2)) == [0, 20]
    assert firsts(decode_points("selective", embeddings, times=times, num_segments=3)) == [0, 10, 20]


def test_two_cuts_are_a_window_apart_also_at_the_beginning() -> None:
    for places, expected in (
        ([0] * 10 + [1] * 2 + [2] * 10, [0, 10]),  # three scenes, the middle one shorter than a window
        ([0] * 2 + [1] * 2 + [2] * 10, [0, 2]),
    ):
        embeddings, times = axes(*places)
        found = firsts(decode_points("selective", embeddings, times=times, num_segments=3))
        assert min(later - earlier for earlier, later in pairwise(found)) >= 2
        assert [first for first in found if first in range(expected[1] - 1, expected[1] + 5)] == expected[1:]


def test_a_step_that_windows_do_not_smear_is_cut_where_it_is() -> None:
    embeddings, times = axes(*[0] * 9, *[1] * 9)
    assert firsts(decode_points("selective", embeddings, times=times, num_segments=2)) == [0, 9]
    assert firsts(online_points(embeddings, times, settings=OnlineSettings(rate=0.5))) == [0, 9]


def test_one_gap_and_one_short_window_leave_the_spacing_as_it_is() -> None:
    embeddings, times = axes(*[0] * 10, *[1] * 10)
    late = [*times[:10], *((start + 600, end + 600) for start, end in times[10:19]), (610.9, 611.5)]
    for when in (times, late):
        assert firsts(decode_points("selective", embeddings, times=when, num_segments=20)) == [0, 5, 10, 15]


def test_the_longest_is_halved_wherever_it_lies() -> None:
    embeddings, times = axes(*[0] * 6, *[1] * 14, *[2] * 7)
    assert firsts(decode_points("selective", embeddings, times=times, num_segments=4)) == [0, 6, 13, 20]


def test_a_change_soon_after_another_is_told_though_the_rate_alone_would_not_be_due() -> None:
    embeddings, times = smeared(10.0, 4.0, 20.0)
    assert cuts(online_points(embeddings, times, settings=OnlineSettings(rate=0.1))) == pytest.approx([10, 14], abs=0.5)


def test_what_many_large_changes_have_raised_falls_while_nothing_happens() -> None:
    embeddings, times = axes(*[place // 8 % 3 for place in range(160)], *[3] * 300, *[2] * 20)
    embeddings[-20:] = torch.tensor([0.0, 0.0, 0.8, 0.6])  # 0.4 from what is before
    found = firsts(online_points(embeddings, times, settings=OnlineSettings(rate=1.0)))
    assert found[-1] == 460


def test_a_stream_that_never_calms_down_is_told_at_the_rate() -> None:
    angle = torch.arange(240) * 0.3
    rows = torch.stack([angle.cos(), angle.sin()], dim=1)
    times = [(place / 2, place / 2 + 2) for place in range(240)]
    assert 8 <= len(online_points(rows, times, settings=OnlineSettings(rate=0.1))) <= 13


def test_what_was_spent_on_large_changes_is_saved_on_small_ones() -> None:
    embeddings, times = axes(*[place // 8 % 3 for place in range(72)], *[3] * 12)
    embeddings[72:] = torch.tensor([0.0, 0.0, 0.6, 0.8])  # 0.4 from what is before
    settings = OnlineSettings(rate=0.25)
    assert firsts(online_points(embeddings, times, settings=settings)) == list(range(0, 72, 8))
    assert firsts(online_points(embeddings[64:], times[64:], settings=settings)) == [0, 8]
