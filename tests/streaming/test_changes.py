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
