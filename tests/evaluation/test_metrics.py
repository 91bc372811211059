"""Metrics against hand counts, scikit-learn and closed forms."""

import math

import pytest
import torch
from sklearn.metrics import (
    brier_score_loss,
    ndcg_score,
    precision_recall_fscore_support,
    recall_score,
    top_k_accuracy_score,
)

from vljepa.evaluation import metrics


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_ties_count_against_us() -> None:
    scores = torch.tensor([[0.9, 0.5, 0.5, 0.5, 0.1]])
    assert metrics.ranks(scores, torch.tensor([[False, True, False, False, False]])).tolist() == [4]
    assert metrics.ranks(torch.zeros(1, 5), torch.tensor([[True, False, False, False, False]])).tolist() == [5]


def test_equal_positives_do_not_count_against_each_other() -> None:
    scores = torch.tensor([[0.5, 0.5, 0.5, 0.1]])
    assert metrics.ranks(scores, torch.tensor([[True, True, False, True]])).tolist() == [2]


def test_identical_captions_are_all_right() -> None:
    captions = ["a cat", "a dog", "a cat"]
    positives = metrics.same_captions(captions, captions)
    assert positives.tolist() == [[True, False, True], [False, True, False], [True, False, True]]
    # Each caption finds another video of the same caption first.
    scores = torch.tensor([[0.1, 0.2, 0.9], [0.0, 1.0, 0.0], [0.9, 0.2, 0.1]])
    assert metrics.recall_at_k(metrics.ranks(scores, positives), 1) == 1
    assert metrics.recall_at_k(metrics.ranks(scores, torch.eye(3).bool()), 1) == pytest.approx(1 / 3)


def test_recall_and_ranks() -> None:
    ranks = torch.tensor([1, 2, 6, 11])
    assert [metrics.recall_at_k(ranks, k) for k in (1, 5, 10)] == [0.25, 0.5, 0.75]
    assert metrics.mean_rank(ranks) == 5 and metrics.median_rank(ranks) == 4


def test_ranks_refuse_what_cannot_be_ranked() -> None:
    with pytest.raises(ValueError, match="query 1 has no right item"):
        metrics.ranks(torch.zeros(2, 2), torch.tensor([[True, False], [False, False]]))
    with pytest.raises(ValueError, match="query 0 has a score that is not a number"):
        metrics.ranks(torch.tensor([[math.nan, 0.0]]), torch.tensor([[True, False]]))
    with pytest.raises(ValueError, match="nothing to rank"):
        metrics.ranks(torch.zeros(0, 3), torch.zeros(0, 3).bool())
    with pytest.raises(ValueError, match="k is 0"):
        metrics.recall_at_k(torch.tensor([1]), 0)


def test_ndcg_equals_scikit_learn_without_ties() -> None:
    scores = torch.rand(20, 30, generator=generator())
    relevance = torch.randint(0, 4, (20, 30), generator=generator(1)).float()
    expected = ndcg_score(relevance.numpy(), scores.numpy(), k=10)
    assert metrics.ndcg_at_k(scores, relevance, 10) == pytest.approx(expected)


def test_ndcg_counts_ties_against_us() -> None:
    relevance = torch.tensor([[1.0, 0.0, 0.0]])
    assert metrics.ndcg_at_k(torch.zeros(1, 3), relevance) == pytest.approx(1 / math.log2(4))
    assert metrics.ndcg_at_k(torch.zeros(1, 3), relevance, 2) == 0
    with pytest.raises(ValueError, match="needs a relevant item"):
        metrics.ndcg_at_k(torch.zeros(1, 3), torch.zeros(1, 3))


def test_retrieval_and_calibration_equal_torchmetrics_without_ties() -> None:
    from torchmetrics.functional.classification import multiclass_calibration_error
    from torchmetrics.functional.retrieval import retrieval_hit_rate, retrieval_normalized_dcg

    scores = torch.rand(30, 40, generator=generator())
    right = torch.rand(30, 40, generator=generator(1)) < 0.05
    right[:, 3] |= ~right.any(dim=1)
    found = metrics.ranks(scores, right)
    for k in (1, 5, 10):
        hits = [retrieval_hit_rate(row, truth, top_k=k) for row, truth in zip(scores, right, strict=True)]
        assert metrics.recall_at_k(found, k) == pytest.approx(float(torch.stack(hits).mean()))
    gains = [retrieval_normalized_dcg(row, truth.long(), top_k=10) for row, truth in zip(scores, right, strict=True)]
    assert metrics.ndcg_at_k(scores, right.float()) == pytest.approx(float(torch.stack(gains).mean()), abs=1e-6)
    probabilities, labels = (20 * scores).softmax(dim=1), torch.randint(0, 40, (30,), generator=generator(2))
    confidence, said = probabilities.max(dim=1)
    expected = multiclass_calibration_error(probabilities, labels, num_classes=40, n_bins=15)
    assert metrics.expected_calibration_error(confidence, said == labels) == pytest.approx(float(expected), abs=1e-6)


def test_dual_softmax_weighs_an_item_by_how_much_it_is_each_querys_own() -> None:
    scores = torch.rand(6, 9, generator=generator())
    for query, item in ((0, 0), (5, 8), (2, 4)):
        weights = [math.exp(20 * float(score)) for score in scores[:, item]]
        expected = float(scores[query, item]) * weights[query] / sum(weights)
        assert float(metrics.dual_softmax(scores, scale=20.0)[query, item]) == pytest.approx(expected, rel=1e-5)
    # A hub that is every query's nearest item loses its place to the items that are one query's own.
    hub = torch.tensor([[0.9, 0.8, 0.1], [0.95, 0.1, 0.8]])
    truth = torch.tensor([[False, True, False], [False, False, True]])
    assert metrics.recall_at_k(metrics.ranks(hub, truth), 1) == 0
    assert metrics.recall_at_k(metrics.ranks(metrics.dual_softmax(hub), truth), 1) == 0.5


def test_yes_and_no_equal_scikit_learn() -> None:
    said = torch.rand(60, generator=generator()) < 0.7
    true = torch.rand(60, generator=generator(1)) < 0.5
    found = metrics.yes_or_no(said, true)
    precision, recall, f1, _ = precision_recall_fscore_support(true.numpy(), said.numpy(), average="binary")
    assert (found.precision, found.recall, found.f1) == pytest.approx((precision, recall, f1))
    assert found.says_yes == pytest.approx(float(said.double().mean()))
    never = metrics.yes_or_no(torch.zeros(3, dtype=torch.bool), torch.tensor([True, False, True]))
    assert (never.says_yes, never.precision, never.recall, never.f1) == (0, 0, 0, 0)


def test_top_k_accuracy_equals_scikit_learn() -> None:
    scores = torch.rand(200, 12, generator=generator())
    labels = torch.randint(0, 12, (200,), generator=generator(1))
    for k in (1, 3):
        expected = top_k_accuracy_score(labels.numpy(), scores.numpy(), k=k, labels=range(12))
        assert metrics.top_k_accuracy(scores, labels, k=k) == pytest.approx(expected)
    assert metrics.top_k_accuracy(torch.zeros(4, 3), torch.tensor([0, 0, 1, 2])) == 0
    with pytest.raises(ValueError, match="give 0 to 2"):
        metrics.top_k_accuracy(torch.zeros(1, 3), torch.tensor([3]))


def test_class_mean_recall_weighs_labels_alike_and_leaves_absent_ones_out() -> None:
    scores = torch.tensor([[3.0, 2.0, 1.0]]).repeat(4, 1)
    labels = torch.tensor([0, 0, 0, 2])
    assert metrics.class_mean_recall(scores, labels, k=1) == 0.5
    assert metrics.class_mean_recall(scores, labels, k=3) == 1
    many, truth = torch.rand(80, 5, generator=generator()), torch.randint(0, 4, (80,), generator=generator(1))
    expected = recall_score(truth.numpy(), many.argmax(dim=1).numpy(), average="macro", labels=range(4))
    assert metrics.class_mean_recall(many, truth, k=1) == pytest.approx(expected)


def test_triplets_need_both_inequalities_strictly() -> None:
    def unit(*degrees: float) -> torch.Tensor:
        angles = torch.deg2rad(torch.tensor(degrees, dtype=torch.float64))
        return torch.stack([angles.cos(), angles.sin()], dim=1) * 3

    first, second = unit(0, 0, 0, 0), unit(20, 20, 20, 0)
    negative = unit(-30, 30, -15, 0)  # right; near the second; near the first; equal to both
    assert metrics.triplet_accuracy(first, second, negative=negative) == 0.25


def test_answers_and_the_share_of_yes() -> None:
    found = metrics.answer_accuracy(["Yes", " yes ", "no", "two"], ["yes", "no", "No", "3"])
    assert (found.accuracy, found.yes_ratio) == (0.5, 0.5)
    with pytest.raises(ValueError, match="1 answers for 2 questions"):
        metrics.answer_accuracy(["yes"], ["yes", "no"])


def test_boundaries_are_matched_one_to_one() -> None:
    score = metrics.boundary_f1([9.0, 1.0, 1.2], [1.1, 5.0], tolerance=0.5)
    assert (score.precision, score.recall, score.f1) == (pytest.approx(1 / 3), 0.5, pytest.approx(0.4))
    # The nearest pair first (2.0 with 2.1) would leave 1.0 and 3.0 alone.
    assert metrics.boundary_f1([1.0, 2.0], [2.0, 2.9], tolerance=1.0).f1 == 1
    assert metrics.boundary_f1([1.0], [1.5], tolerance=0.5).f1 == 1
    assert metrics.boundary_f1([], [], tolerance=1.0).f1 == 1
    assert metrics.boundary_f1([], [1.0], tolerance=1.0).f1 == 0
    with pytest.raises(ValueError, match="tolerance"):
        metrics.boundary_f1([], [], tolerance=-1.0)


def test_calibration_error() -> None:
    confidence = torch.tensor([0.95, 0.95, 0.55, 0.55])
    correct = torch.tensor([True, True, True, False])
    assert metrics.expected_calibration_error(confidence, correct, num_bins=10) == pytest.approx((0.05 + 0.05) / 2)
    # Opposite errors cancel within a bin and not across bins.
    assert metrics.expected_calibration_error(confidence, correct, num_bins=1) == pytest.approx(0.0, abs=1e-7)
    assert metrics.expected_calibration_error(torch.tensor([0.0, 1.0]), torch.tensor([False, True])) == 0
    with pytest.raises(ValueError, match="outside 0 to 1"):
        metrics.expected_calibration_error(torch.tensor([1.5]), torch.tensor([True]))


def test_brier_score_equals_scikit_learn() -> None:
    probabilities = torch.rand(50, 4, generator=generator(), dtype=torch.float64).softmax(dim=1)
    labels = torch.randint(0, 4, (50,), generator=generator(1))
    expected = brier_score_loss(labels.numpy(), probabilities.numpy(), labels=range(4), scale_by_half=False)
    assert metrics.brier_score(probabilities, labels) == pytest.approx(expected)
    assert metrics.brier_score(torch.eye(3), torch.tensor([1, 2, 0])) == 2


def test_anisotropy_is_the_mean_cosine_of_pairs() -> None:
    rows = torch.randn(12, 5, generator=generator()) + 1
    cosines = torch.nn.functional.cosine_similarity(rows[:, None], rows[None], dim=2)
    expected = cosines[~torch.eye(12).bool()].mean()
    assert metrics.anisotropy(rows) == pytest.approx(float(expected), abs=1e-6)
    assert metrics.anisotropy(torch.eye(6)) == pytest.approx(0, abs=1e-12)


def test_effective_rank_counts_directions() -> None:
    assert metrics.effective_rank(torch.eye(6)) == pytest.approx(6)
    assert metrics.effective_rank(torch.ones(5, 7)) == pytest.approx(1, abs=1e-5)
    assert 1 < metrics.effective_rank(torch.diag(torch.tensor([1.0, 0.1]))) < 2
    with pytest.raises(ValueError, match="zero"):
        metrics.effective_rank(torch.zeros(3, 3))


def test_bootstrap_interval_is_that_of_the_normal_law_for_many_items() -> None:
    values = torch.randn(2000, generator=generator()) + 5
    interval = metrics.bootstrap_interval(values, num_resamples=2000)
    half = 1.96 * float(values.std()) / math.sqrt(2000)
    assert interval.mean == pytest.approx(float(values.mean()), abs=1e-5)
    assert interval.low == pytest.approx(interval.mean - half, abs=0.15 * half)
    assert interval.high == pytest.approx(interval.mean + half, abs=0.15 * half)
    assert metrics.bootstrap_interval(values, num_resamples=50) == metrics.bootstrap_interval(values, num_resamples=50)
    assert metrics.bootstrap_interval(values, level=0.5).high < interval.high


def test_nothing_to_score_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing to score"):
        metrics.mean_rank(torch.zeros(0, dtype=torch.int64))
    with pytest.raises(ValueError, match="nothing to score"):
        metrics.bootstrap_interval(torch.zeros(0))
