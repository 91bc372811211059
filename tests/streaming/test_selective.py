"""Policies of decoding: how many points, where, from which embedding, and what they cover."""

import math

import pytest
import torch

from vljepa.streaming.segment import chain_ward
from vljepa.streaming.selective import change_curve, coverage, decode_points, segments


def scenes(*lengths: int, noise: float = 0.05) -> torch.Tensor:
    """One orthogonal direction for each stretch, with noise."""
    generator = torch.Generator().manual_seed(0)
    rows = torch.eye(8)[: len(lengths)].repeat_interleave(torch.tensor(lengths), dim=0)
    return rows + noise * torch.randn(rows.shape, generator=generator)


def window_times(num: int, *, hop: float = 0.5, window: float = 2.0) -> list[tuple[float, float]]:
    return [(place * hop, place * hop + window) for place in range(num)]


def test_segments_tile_the_stream_and_meet_between_windows() -> None:
    found = segments(scenes(4, 6, 2), window_times(12), num_segments=3)
    assert [(one.first, one.last) for one in found] == [(0, 4), (4, 10), (10, 12)]
    # Windows 3 and 4 have their middles at 2.5 s and 3.0 s.
    assert [(one.start, one.end) for one in found] == [(0.0, 2.75), (2.75, 5.75), (5.75, 7.5)]


def test_rate_becomes_a_number_of_segments() -> None:
    embeddings, times = scenes(20, 20), window_times(40)
    assert times[-1][1] == 21.5
    assert len(segments(embeddings, times, decodes_per_second=0.5)) == round(0.5 * 21.5)
    assert len(segments(embeddings, times, decodes_per_second=100.0)) == 40
    assert len(segments(embeddings, times, decodes_per_second=0.001)) == 1


def test_a_given_tree_is_used() -> None:
    other = chain_ward(scenes(6, 2))
    found = segments(scenes(2, 6), window_times(8), num_segments=2, tree=other)
    assert [one.last for one in found] == [6, 8]
    with pytest.raises(ValueError, match="tree is of 8 windows, not 9"):
        segments(scenes(3, 6), window_times(9), num_segments=2, tree=other)


def test_selective_follows_the_scenes_and_uniform_the_clock() -> None:
    embeddings, times = scenes(3, 9), window_times(12)
    chosen = decode_points("ward", embeddings, times=times, num_segments=2)
    clock = decode_points("uniform", embeddings, times=times, num_segments=2)
    assert [(point.segment.first, point.segment.last) for point in chosen] == [(0, 3), (3, 12)]
    assert [(point.segment.first, point.segment.last) for point in clock] == [(0, 6), (6, 12)]
    assert coverage(embeddings, chosen) > coverage(embeddings, clock) + 0.05


def test_points_lie_in_the_middle_of_their_segments() -> None:
    points = decode_points("ward", scenes(3, 4), times=window_times(7), num_segments=2)
    # Middles of windows: 1.0 1.5 2.0 | 2.5 3.0 3.5 4.0
    assert [point.time for point in points] == [1.5, 3.25]


def test_exact_embedding_is_that_of_the_window_in_the_middle() -> None:
    embeddings = scenes(3, 4)
    points = decode_points("ward", embeddings, times=window_times(7), num_segments=2, pooling="exact")
    unit = torch.nn.functional.normalize(embeddings, dim=1)
    assert torch.allclose(points[0].embedding, unit[1])
    assert torch.allclose(points[1].embedding, unit[4])  # the earlier of windows 4 and 5


def test_pooled_embedding_is_the_mean_of_unit_vectors_at_length_one() -> None:
    embeddings = torch.tensor([[1.0, 0.0], [0.0, 100.0]])
    (point,) = decode_points("uniform", embeddings, times=window_times(2), num_segments=1)
    assert torch.allclose(point.embedding, torch.full((2,), math.sqrt(0.5)))


def test_every_decodes_each_window_at_its_middle_and_covers_all() -> None:
    embeddings, times = scenes(2, 3), window_times(5)
    points = decode_points("every", embeddings, times=times)
    assert [point.time for point in points] == [1.0, 1.5, 2.0, 2.5, 3.0]
    assert coverage(embeddings, points) == pytest.approx(1)
    for policy in ("ward", "uniform"):
        same = decode_points(policy, embeddings, times=times, num_segments=5)
        assert [point.time for point in same] == [point.time for point in points]


def test_uniform_parts_differ_by_at_most_one_window() -> None:
    points = decode_points("uniform", scenes(5, 6), times=window_times(11), num_segments=4)
    lengths = [point.segment.last - point.segment.first for point in points]
    assert sum(lengths) == 11 and max(lengths) - min(lengths) == 1


def test_coverage_is_the_mean_cosine() -> None:
    embeddings = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    (point,) = decode_points("uniform", embeddings, times=window_times(3), num_segments=1, pooling="exact")
    assert coverage(embeddings, [point]) == pytest.approx((0 + 1 + math.sqrt(0.5)) / 3)
    with pytest.raises(ValueError, match="do not cover the 3 windows"):
        coverage(embeddings, [])
    with pytest.raises(ValueError, match="do not cover the 4 windows"):
        coverage(torch.ones(4, 2), [point])


def test_change_curve_peaks_at_the_cut() -> None:
    curve = change_curve(scenes(6, 6))
    assert curve.shape == (12,) and curve[0] == 0
    assert int(curve.argmax()) == 6 and curve[6] > 0.8
    assert float(curve[[1, 2, 3, 4, 5, 7, 8]].max()) < 0.1


def test_smoothing_averages_over_the_windows_around() -> None:
    embeddings = torch.eye(8)[[0, 0, 0, 1, 1, 1]]
    # Over three windows: e0, e0, 2 e0 + e1, e0 + 2 e1, e1, e1.
    expected = [0, 0, 1 - 2 / math.sqrt(5), 1 - 4 / 5, 1 - 2 / math.sqrt(5), 0]
    assert change_curve(embeddings, smooth=3).tolist() == pytest.approx(expected, abs=1e-6)
    assert change_curve(embeddings[:1], smooth=3).tolist() == [0]
    with pytest.raises(ValueError, match="odd number"):
        change_curve(embeddings, smooth=2)


@pytest.mark.parametrize(
    ("policy", "settings", "message"),
    [
        ("selective", {}, "either decodes_per_second or num_segments"),
        ("uniform", {"num_segments": 2, "decodes_per_second": 1.0}, "either decodes_per_second or num_segments"),
        ("every", {"num_segments": 2}, "leave the rate out"),
        ("uniform", {"num_segments": 9}, "ask for 1 to 4"),
        ("selective", {"decodes_per_second": 0.0}, "above 0"),
    ],
)
def test_settings_that_do_not_fit_are_refused(policy: str, settings: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        decode_points(policy, scenes(2, 2), times=window_times(4), **settings)


def test_times_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="3 window times for 4 embeddings"):
        segments(scenes(2, 2), window_times(3), num_segments=1)
    with pytest.raises(ValueError, match="window 1 is from"):
        segments(scenes(2), [(5.0, 6.0), (0.0, 1.0)], num_segments=1)
    with pytest.raises(ValueError, match="embedding of window 1"):
        decode_points("every", torch.tensor([[1.0], [0.0]]), times=window_times(2))
