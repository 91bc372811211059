"""What a cut is worth: a cosine distance under each rule, and Ward's criterion under the one that is named for it."""

from typing import get_args

import numpy as np
import pytest
import torch
from tests.streaming.made_streams import DIM, scenes, window_times

from vljepa.streaming.cuts import RULES, Method, clear, cluster
from vljepa.streaming.open_segment import OpenSegment, Place
from vljepa.streaming.segment import chain_ward, unit_rows


def opened(embeddings: torch.Tensor, *, keep: int = 1000) -> OpenSegment:
    windows = [
        Place(row, *times) for row, times in zip(unit_rows(embeddings), window_times(len(embeddings)), strict=True)
    ]
    segment = OpenSegment(windows[0], keep=keep)
    for window in windows[1:]:
        segment.add(window)
    return segment


def step(before: int, after: int, *, cosine: float) -> torch.Tensor:
    one, other = torch.eye(DIM)[0], torch.eye(DIM)[1]
    turned = cosine * one + (1 - cosine**2) ** 0.5 * other
    return torch.cat([one.expand(before, DIM), turned.expand(after, DIM)])


@pytest.mark.parametrize("method", get_args(Method))
@pytest.mark.parametrize("cosine", [-0.5, 0.0, 0.9])
def test_a_step_is_worth_its_cosine_distance(method: Method, cosine: float):
    across = 1 if method == "clear" else 0  # these windows overlap fourfold: one on each side of a cut lies across it
    for smooth in (1, 2, 5):
        cut = RULES[method](opened(step(4000, smooth + across, cosine=cosine)), smooth)
        assert cut.boundary == 4000
        assert cut.worth == pytest.approx(1 - cosine, rel=2e-3)


@pytest.mark.parametrize("method", get_args(Method))
def test_nothing_is_worth_nothing(method: Method):
    assert RULES[method](opened(step(20, 0, cosine=0.0)), 3).worth == pytest.approx(0, abs=1e-12)


def test_cluster_is_the_merge_that_ward_does_last():
    embeddings = scenes(17, 9, noise=0.3)
    tree = chain_ward(embeddings)
    cut = cluster(opened(embeddings), 1)
    assert cut.boundary == tree.boundaries[-1] == 17
    assert cut.worth * 2 == pytest.approx(tree.costs[-1])


def test_windows_that_are_no_longer_held_take_part_as_a_sum():
    embeddings = scenes(40, 6, noise=0.3)
    whole, held = cluster(opened(embeddings), 2), cluster(opened(embeddings, keep=10), 2)
    assert held.boundary == whole.boundary == 40
    assert held.worth == pytest.approx(whole.worth)


def test_cluster_leaves_enough_windows_on_the_left():
    embeddings = torch.cat([torch.eye(DIM)[:1], torch.eye(DIM)[1].expand(20, DIM)])
    assert cluster(opened(embeddings), 1).boundary == 1
    assert cluster(opened(embeddings), 3).boundary == 3


def test_a_split_leaves_the_rest_open():
    segment = opened(scenes(6, 4), keep=8)
    point = segment.split(6)
    assert (point.segment.first, point.segment.last, segment.first, segment.last) == (0, 6, 6, 10)
    assert len(segment) == 4
    assert not np.any(segment.older)
    assert segment.close().segment.start == point.segment.end


def test_clear_says_nothing_before_there_are_windows_clear_of_the_cut():
    assert clear(opened(step(1, 2, cosine=0.0)), 1).worth == 0
    assert clear(opened(step(2, 2, cosine=0.0)), 1).worth > 0.99


@pytest.mark.parametrize(("after", "worth"), [(3, 0.0), (4, 1.0)])
def test_clear_keeps_the_length_of_a_window_from_the_latest_cut_and_not_from_the_beginning(after: int, worth: float):
    windows = torch.cat([torch.eye(DIM)[:1].expand(6, DIM), step(after, 2, cosine=0.0)])
    segment = opened(windows)
    segment.split(6)
    assert clear(segment, 1).worth == pytest.approx(worth, rel=2e-3)
    assert clear(opened(step(after, 2, cosine=0.0)), 1).worth > 0.99


def test_sides_that_cancel_each_other_out_are_like_nothing():
    one, other = torch.eye(DIM)[:2]
    assert RULES["change"](opened(torch.stack([one, -one, other, other])), 2).worth == 1.0


def test_windows_across_the_latest_cut_are_left_out_also_when_they_are_no_longer_held():
    pure = torch.eye(DIM)
    segment = opened(pure[[0] * 7 + [2] * 2 + [1] * 40], keep=60)
    segment.split(7)  # at 4.25 s: windows 7 and 8 begin before it
    expected = segment.close().embedding
    segment = opened(pure[[0] * 7 + [2] * 2 + [1] * 4], keep=8)
    segment.split(7)
    for row, times in zip(unit_rows(pure[[1] * 40]), window_times(60)[13:53], strict=True):
        segment.add(Place(row, *times))
    assert torch.equal(segment.close().embedding, expected)
    assert torch.equal(expected, pure[1])


@pytest.mark.parametrize("following", [2, 30])
def test_what_is_held_as_a_sum_ends_with_its_segment(following: int):
    """The only window held of a segment lies across its end; a short one that follows has none that lies in it."""
    pure = torch.eye(DIM)
    segment = opened(pure[[1] * 40 + [2] + [3] * following], keep=following + 1)
    assert segment.oldest == 40
    assert torch.equal(segment.split(41).embedding, pure[1])
    assert torch.equal(segment.close().embedding, pure[3])
