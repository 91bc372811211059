"""Chain Ward: scikit-learn's merges, every cut, and what is refused."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.sparse import diags_array
from sklearn.cluster import AgglomerativeClustering

from vljepa.streaming.segment import MergeTree, chain_ward, unit_rows


def sklearn_chain(embeddings: np.ndarray, num_clusters: int = 2) -> AgglomerativeClustering:
    num = len(embeddings)
    chain = diags_array([np.ones(num - 1), np.ones(num - 1)], offsets=[-1, 1])
    model = AgglomerativeClustering(
        n_clusters=num_clusters, linkage="ward", connectivity=chain, compute_full_tree=True, compute_distances=True
    )
    return model.fit(embeddings)


def planted(seed: int, *, edges: list[int], dim: int = 16, noise: float = 0.1) -> np.ndarray:
    """Stretches around one direction each; `edges` from 0 to the number of windows."""
    generator = np.random.default_rng(seed)
    centres = generator.normal(size=(len(edges) - 1, dim))
    rows = np.repeat(centres, np.diff(edges), axis=0)
    return rows + noise * generator.normal(size=rows.shape)


@pytest.mark.parametrize("seed", range(12))
def test_merges_equal_scikit_learn(seed: int) -> None:
    generator = np.random.default_rng(seed)
    embeddings = unit_rows(generator.normal(size=(int(generator.integers(2, 150)), int(generator.integers(2, 40)))))
    oracle, tree = sklearn_chain(embeddings), chain_ward(embeddings)
    np.testing.assert_array_equal(tree.merges, oracle.children_)
    np.testing.assert_allclose(np.sqrt(2 * tree.costs), oracle.distances_, rtol=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_merges_equal_scikit_learn_where_windows_repeat(seed: int) -> None:
    generator = np.random.default_rng(seed)
    rows = generator.normal(size=(40, 6))
    embeddings = unit_rows(np.repeat(rows, generator.integers(1, 5, size=40), axis=0))
    np.testing.assert_array_equal(chain_ward(embeddings).merges, sklearn_chain(embeddings).children_)


@pytest.mark.parametrize("num_segments", [1, 2, 7, 33, 80])
def test_cut_equals_scikit_learn_labels(num_segments: int) -> None:
    embeddings = unit_rows(np.cumsum(np.random.default_rng(3).normal(size=(80, 8)), axis=0))
    labels = sklearn_chain(embeddings, num_segments).labels_
    edges = np.flatnonzero(np.diff(labels)) + 1
    expected = list(zip([0, *edges.tolist()], [*edges.tolist(), 80], strict=True))
    assert chain_ward(embeddings).cut(num_segments) == expected


def test_planted_segments_are_found() -> None:
    edges = [0, 7, 9, 30, 31, 60]
    assert chain_ward(planted(0, edges=edges)).cut(5) == list(pairwise(edges))


def test_segments_are_contiguous_when_a_scene_returns() -> None:
    scenes = planted(1, edges=[0, 10, 20])
    embeddings = np.concatenate([scenes, scenes[:10]])
    assert chain_ward(embeddings).cut(3) == [(0, 10), (10, 20), (20, 30)]


def test_every_coarser_cut_joins_two_neighbours() -> None:
    tree = chain_ward(planted(2, edges=[0, 5, 12, 20], noise=0.5))
    for num in range(2, 20):
        assert {first for first, _ in tree.cut(num - 1)} < {first for first, _ in tree.cut(num)}


def test_costs_sum_to_the_spread_around_the_mean() -> None:
    embeddings = unit_rows(planted(4, edges=[0, 4, 9]))
    spread = float(((embeddings - embeddings.mean(axis=0)) ** 2).sum())
    assert chain_ward(embeddings).costs.sum() == pytest.approx(spread)


def test_only_directions_count() -> None:
    embeddings = planted(5, edges=[0, 8, 20])
    scaled = embeddings * np.random.default_rng(0).uniform(0.1, 50, size=(20, 1))
    assert chain_ward(scaled).cut(2) == chain_ward(embeddings).cut(2) == [(0, 8), (8, 20)]


def test_a_tensor_with_a_gradient_is_taken_and_left_alone() -> None:
    embeddings = torch.tensor(planted(6, edges=[0, 3, 6]), dtype=torch.float32, requires_grad=True)
    before = embeddings.detach().clone()
    assert chain_ward(embeddings).cut(2) == [(0, 3), (3, 6)]
    assert torch.equal(embeddings.detach(), before)


def test_one_window_is_one_segment() -> None:
    tree = chain_ward(np.ones((1, 3)))
    assert isinstance(tree, MergeTree) and tree.merges.shape == (0, 2)
    assert tree.cut(1) == [(0, 1)]


@pytest.mark.parametrize("num_segments", [0, 5])
def test_cut_refuses_impossible_numbers(num_segments: int) -> None:
    with pytest.raises(ValueError, match="ask for 1 to 4"):
        chain_ward(np.eye(4)).cut(num_segments)


def test_bfloat16_is_taken() -> None:
    embeddings = torch.tensor(planted(7, edges=[0, 3, 6])).to(torch.bfloat16)
    assert chain_ward(embeddings).cut(2) == [(0, 3), (3, 6)]


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf])
def test_windows_without_a_direction_are_named(value: float) -> None:
    embeddings = np.ones((4, 3))
    embeddings[2] = value
    with pytest.raises(ValueError, match="window 2 is zero or not finite"):
        chain_ward(embeddings)


def test_an_empty_stream_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one window"):
        chain_ward(np.zeros((0, 8)))
