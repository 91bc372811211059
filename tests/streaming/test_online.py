"""Online segments: causal, within the budget in every minute, in bounded memory, and better than the clock."""

import tracemalloc
from itertools import pairwise
from typing import get_args

import pytest
import torch
from tests.streaming.made_streams import DIM, adversarial, planted, scenes, window_times

from vljepa.streaming.chooser import pushed
from vljepa.streaming.cuts import Method
from vljepa.streaming.online import MINUTE, Budget, OnlineSegmenter, OnlineSettings, online_points
from vljepa.streaming.selective import DecodePoint, coverage, decode_points

METHODS = get_args(Method)
ADVERSARIAL = ("white noise", "flicker", "new scene every two seconds", "calm, then bursts", "turning", "growing steps")


def seconds_of_decodes(embeddings: torch.Tensor, *, settings: OnlineSettings) -> list[float]:
    """When each segment was paid for: the first when the stream began, the others when they came out."""
    segmenter = OnlineSegmenter(settings)
    seconds = [window_times(1)[0][1]]
    for embedding, (start, end) in zip(embeddings, window_times(len(embeddings)), strict=True):
        seconds += [end] * len(segmenter.push(embedding, start, end))
    assert len(segmenter.flush()) == 1
    return seconds


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", ADVERSARIAL)
@pytest.mark.parametrize("rate", [0.01, 0.05, 0.2])
def test_no_minute_holds_more_decodes_than_the_budget(method: Method, name: str, rate: float):
    settings = OnlineSettings(method=method, rate=rate, quiet=0.0)
    seconds = seconds_of_decodes(adversarial(name, 700), settings=settings)
    most = max(1, round(rate * MINUTE))
    busiest = max(sum(begin <= second < begin + MINUTE for second in seconds) for begin in seconds)
    assert busiest <= most
    assert len(seconds) <= max(1, 700 * 0.5 * rate + most)


@pytest.mark.parametrize("method", METHODS)
def test_less_than_one_decode_a_minute_keeps_its_distance(method: Method):
    seconds = seconds_of_decodes(adversarial("white noise", 1000), settings=OnlineSettings(method=method, rate=0.01))
    assert len(seconds) >= 3
    assert min(following - one for one, following in pairwise(seconds)) >= 100


@pytest.mark.parametrize(("rate", "most"), [(0.013, 1), (1 / 93, 1), (0.2, 12), (2.05, 123), (0.049, 2)])
def test_a_budget_is_what_a_minute_allows_also_where_floats_fall_short(rate: float, most: int):
    budget, spent = Budget(rate), 0
    while budget.allows(0.0):
        budget.spend(0.0)
        spent += 1
    assert spent == most


@pytest.mark.parametrize("method", METHODS)
def test_a_busy_stream_gets_most_of_the_budget(method: Method):
    seconds = seconds_of_decodes(adversarial("white noise", 700), settings=OnlineSettings(method=method))
    assert len(seconds) >= 0.6 * 0.2 * 350


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("noise", "rate"), [(0.2, 0.1), (0.2, 0.05), (0.35, 0.1)])
def test_better_than_uniform_with_as_many_decodes(method: Method, noise: float, rate: float):
    for seed in range(3):
        embeddings, cuts = planted(600, noise=noise, seed=seed)
        times = window_times(len(embeddings))
        found = online_points(embeddings, times, settings=OnlineSettings(method=method, rate=rate))
        even = decode_points("uniform", embeddings, times=times, num_segments=len(found))
        assert coverage(embeddings, found) > coverage(embeddings, even) + 0.01
        assert boundary_f1(found, cuts) > boundary_f1(even, cuts) + 0.2


def boundary_f1(points: list[DecodePoint], cuts: list[float], *, tolerance: float = 1.0) -> float:
    """Harmonic mean of precision and recall of the places where segments meet; each cut counts once."""
    left = list(cuts)
    hits = 0
    for point in points[1:]:
        near = [cut for cut in left if abs(cut - point.segment.start) <= tolerance]
        if near:
            left.remove(near[0])
            hits += 1
    return 2 * hits / (len(points) - 1 + len(cuts))


def test_clean_scenes_give_the_points_of_offline_clustering():
    embeddings, times = scenes(12, 20, 9, 15, 30), window_times(86)
    expected = decode_points("ward", embeddings, times=times, num_segments=5)
    for method in METHODS:
        found = online_points(embeddings, times, settings=OnlineSettings(method=method, rate=0.5))
        assert [point.segment for point in found] == [point.segment for point in expected]
        assert [point.time for point in found] == [point.time for point in expected]
        for one, other in zip(found, expected, strict=True):
            torch.testing.assert_close(one.embedding, other.embedding, rtol=0, atol=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_a_segment_comes_out_soon_after_its_end(method: Method):
    embeddings, times = scenes(20, 20, 20), window_times(60)
    segmenter = OnlineSegmenter(OnlineSettings(method=method))
    lags = []
    for embedding, (start, end) in zip(embeddings, times, strict=True):
        lags += [(start + end) / 2 - point.segment.end for point in segmenter.push(embedding, start, end)]
    assert len(lags) == 2
    assert max(lags) <= 2.5


@pytest.mark.parametrize("method", METHODS)
def test_pieces_of_any_size_give_what_the_whole_gives(method: Method):
    embeddings, _ = planted(300, noise=0.4, seed=5)
    times = window_times(len(embeddings))
    whole = online_points(embeddings, times, settings=OnlineSettings(method=method))
    segmenter = OnlineSegmenter(OnlineSettings(method=method))
    pieces: list[DecodePoint] = []
    first = 0
    for size in (1, 7, 0, 60, 2, len(embeddings)):
        pieces += pushed(segmenter, embeddings[first : first + size], times[first : first + size])
        first += size
    pieces += segmenter.flush()
    assert len(whole) > 5
    assert [(point.time, point.segment) for point in pieces] == [(point.time, point.segment) for point in whole]
    assert all(torch.equal(one.embedding, other.embedding) for one, other in zip(pieces, whole, strict=True))


@pytest.mark.parametrize("method", METHODS)
def test_no_later_window_changes_a_point(method: Method):
    embeddings, _ = planted(400, noise=0.3, seed=3)
    times = window_times(400)
    segmenter = OnlineSegmenter(OnlineSettings(method=method))
    known = pushed(segmenter, embeddings[:200], times[:200])
    told = [(point.time, point.segment, point.embedding.clone()) for point in known]
    assert len(told) >= 3
    pushed(segmenter, adversarial("white noise", 200), times[200:])
    other = online_points(embeddings[:400], times, settings=OnlineSettings(method=method))
    for (time, segment, embedding), same, later in zip(told, known, other, strict=False):
        assert (time, segment) == (same.time, same.segment) == (later.time, later.segment)
        assert torch.equal(embedding, same.embedding)
        assert torch.equal(embedding, later.embedding)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", ["one scene", "white noise"])
def test_memory_does_not_grow(method: Method, name: str):
    embeddings = scenes(1000) if name == "one scene" else adversarial(name, 1000)
    times = window_times(1000)
    segmenter = OnlineSegmenter(OnlineSettings(method=method, keep=32))
    pushed(segmenter, embeddings[:300], times[:300])
    tracemalloc.start()
    pushed(segmenter, embeddings[300:400], times[300:400])
    before, _ = tracemalloc.get_traced_memory()
    pushed(segmenter, embeddings[400:], times[400:])
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # As many windows as are held one by one, each with its row and some objects around it; 600 went by.
    assert after - before < 32 * (DIM * 8 + 420)


def test_a_long_segment_is_the_mean_of_all_its_windows():
    embeddings, times = scenes(300, noise=0.5), window_times(300)
    (point,) = online_points(embeddings, times, settings=OnlineSettings(rate=0.001, keep=16))
    (expected,) = decode_points("uniform", embeddings, times=times, num_segments=1)
    assert (point.time, point.segment) == (expected.time, expected.segment)
    torch.testing.assert_close(point.embedding, expected.embedding, rtol=0, atol=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_where_nothing_changes_nothing_is_spent(method: Method):
    assert len(online_points(scenes(1000, noise=0.05), window_times(1000), settings=OnlineSettings(method=method))) == 1


@pytest.mark.parametrize("method", ["change", "variance"])
def test_one_long_fade_is_cut_once(method: Method):
    """Hysteresis: the worth stays above the threshold all the way, and has to fall before the next cut."""
    share = ((torch.arange(80) - 30) / 16).clamp(0, 1)[:, None]
    embeddings = (1 - share) * torch.eye(DIM)[0] + share * torch.eye(DIM)[1]
    found = online_points(
        embeddings, window_times(80), settings=OnlineSettings(method=method, rate=0.1, smooth=4, quiet=0.02)
    )
    assert len(found) == 2
    assert 30 <= found[1].segment.first <= 46


def test_segments_tile_the_stream():
    embeddings, _ = planted(400, noise=0.4, seed=1)
    points = online_points(embeddings, window_times(len(embeddings)))
    assert points[0].segment.start == 0.0
    assert points[-1].segment.end == window_times(len(embeddings))[-1][1]
    assert points[-1].segment.last == len(embeddings)
    for one, following in pairwise(points):
        assert (one.segment.end, one.segment.last) == (following.segment.start, following.segment.first)
        assert one.segment.last - one.segment.first >= 2


def test_a_stream_may_be_empty_or_of_one_window():
    assert OnlineSegmenter().flush() == []
    (point,) = online_points(torch.eye(3)[:1], [(1.0, 3.0)])
    assert (point.time, point.segment.start, point.segment.end) == (2.0, 1.0, 3.0)


def test_windows_that_make_no_sense_are_refused():
    segmenter = OnlineSegmenter()
    segmenter.push(torch.ones(3), 10.0, 12.0)
    with pytest.raises(ValueError, match="a window from 1 to 3 s comes after one that ends at 12 s"):
        segmenter.push(torch.ones(3), 1.0, 3.0)
    with pytest.raises(ValueError, match="from 13 to 12 s"):
        segmenter.push(torch.ones(3), 13.0, 12.0)
    with pytest.raises(ValueError, match=r"the window from 10\.5 s is zero or not finite"):
        segmenter.push(torch.zeros(3), 10.5, 12.5)
    with pytest.raises(ValueError, match="zero or not finite"):
        segmenter.push(torch.tensor([1.0, float("nan"), 0.0]), 10.5, 12.5)
    segmenter.push(-torch.ones(3), 10.5, 12.5)
    with pytest.raises(ValueError, match=r"from 10 to 12\.5 s cancel each other out"):
        segmenter.flush()


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"rate": 0.0}, "the rate is 0 decodes a second"),
        ({"rate": float("nan")}, "the rate is nan"),
        ({"smooth": 0}, "smooth is 0"),
        ({"smooth": 4, "keep": 15}, "keep 4 times it"),
        ({"quiet": 2.0}, "quiet is 2"),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, float], sentence: str):
    with pytest.raises(ValueError, match=sentence):
        OnlineSettings(**settings)  # type: ignore[arg-type]
