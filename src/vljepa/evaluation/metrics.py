"""Scores as pure functions of tensors and lists; nothing here knows a model or a benchmark.

Retrieval and classification count ties against us: a rank is one plus what scores strictly better plus what scores
equal without being right.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class AnswerAccuracy:
    """Share of right answers, and the share of answers that were yes (a model that always says yes shows there)."""

    accuracy: float
    yes_ratio: float


@dataclass(frozen=True, kw_only=True)
class YesNo:
    """Answers of one bit: the share that says yes, and precision, recall and their harmonic mean of yes."""

    says_yes: float
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True, kw_only=True)
class BoundaryScore:
    """How many found boundaries are true, how many true ones were found, and the harmonic mean."""

    precision: float
    recall: float
    f1: float


@dataclass(frozen=True, kw_only=True)
class ReliabilityBin:
    """Items of like confidence: how sure the model was of them on average, and the share of which it was right."""

    confidence: float
    accuracy: float
    num_items: int


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A mean with the interval in which it falls when the items are drawn again."""

    mean: float
    low: float
    high: float


def same_captions(queries: Sequence[str], items: Sequence[str]) -> Bool[Tensor, "query item"]:
    """Which items are right for which query: all that carry the very same caption, not only the one of its own row."""
    numbers = {caption: number for number, caption in enumerate(dict.fromkeys([*queries, *items]))}
    return torch.tensor([numbers[caption] for caption in queries])[:, None] == torch.tensor(
        [numbers[caption] for caption in items]
    )


def ranks(scores: Float[Tensor, "query item"], positives: Bool[Tensor, "query item"]) -> Int64[Tensor, "query"]:
    """Rank of the best right item of each query, from 1; ties count against us.

    ValueError where a score is not a number or a query has no right item.
    """
    _check_scores(scores)
    missing = torch.nonzero(~positives.any(dim=1))
    if len(missing):
        raise ValueError(f"query {int(missing[0, 0])} has no right item: leave it out or add its item to the pool")
    best = scores.masked_fill(~positives, -torch.inf).amax(dim=1, keepdim=True)
    return 1 + ((scores >= best) & ~positives).sum(dim=1)


def recall_at_k(ranks: Int64[Tensor, "query"], k: int) -> float:
    """Share of queries with a right item among the first `k`."""
    return float((_checked_ranks(ranks) <= _checked_k(k)).double().mean())


def mean_rank(ranks: Int64[Tensor, "query"]) -> float:
    """Mean rank; 1 is perfect."""
    return float(_checked_ranks(ranks).double().mean())


def median_rank(ranks: Int64[Tensor, "query"]) -> float:
    """Median rank; halfway between the two middle ones where their number is even."""
    return float(_checked_ranks(ranks).double().quantile(0.5))


def dual_softmax(scores: Float[Tensor, "query item"], *, scale: float = 100.0) -> Float[Tensor, "query item"]:
    """Scores weighted by how much each item is every query's own: a softmax over queries times the score.

    It looks at all queries of a test at once (transductive), so what is ranked by it is another number than recall and
    is told under another name. `scale`: what cosines are multiplied by; 100 is where CLIP's own stops to grow.
    """
    _check_scores(scores)
    return scores * (scale * scores).softmax(dim=0)


def ndcg_at_k(scores: Float[Tensor, "query item"], relevance: Float[Tensor, "query item"], k: int = 10) -> float:
    """Mean normalised discounted cumulative gain of the first `k`, with linear gains; ties count against us.

    A query without any relevant item is refused with ValueError.
    """
    _check_scores(scores)
    if bool((relevance < 0).any()) or not bool((relevance > 0).any(dim=1).all()):
        raise ValueError("each query needs a relevant item, and no relevance may be below zero")
    # Two stable sorts: by relevance upwards, then by score downwards, put the worst of equals first.
    worst_first = relevance.argsort(dim=1, stable=True)
    by_score = scores.gather(1, worst_first).argsort(dim=1, descending=True, stable=True)
    found = relevance.gather(1, worst_first.gather(1, by_score))[:, : _checked_k(k)].double()
    ideal = relevance.sort(dim=1, descending=True).values[:, :k].double()
    discount = torch.log2(torch.arange(found.shape[1], dtype=torch.float64) + 2)
    return float(((found / discount).sum(dim=1) / (ideal / discount).sum(dim=1)).mean())


def label_ranks(scores: Float[Tensor, "item label"], labels: Int64[Tensor, "item"]) -> Int64[Tensor, "item"]:
    """Rank of the right label of each item; a tie with a wrong label counts against us."""
    _check_labels(labels, num_labels=scores.shape[1])
    return ranks(scores, torch.nn.functional.one_hot(labels, scores.shape[1]).bool())


def top_k_accuracy(scores: Float[Tensor, "item label"], labels: Int64[Tensor, "item"], *, k: int = 1) -> float:
    """Share of items whose label is among the `k` best; a tie with a wrong label counts as lost."""
    return recall_at_k(label_ranks(scores, labels), k)


def class_mean_recall(scores: Float[Tensor, "item label"], labels: Int64[Tensor, "item"], *, k: int = 5) -> float:
    """Recall among the `k` best within each label, then the mean over the labels that occur (EPIC-KITCHENS-100)."""
    hits = (label_ranks(scores, labels) <= _checked_k(k)).double()
    counts = labels.bincount(minlength=scores.shape[1])
    sums = torch.zeros(scores.shape[1], dtype=torch.float64).index_add_(0, labels, hits)
    return float((sums / counts)[counts > 0].mean())


def triplet_accuracy(
    first: Float[Tensor, "item dim"], second: Float[Tensor, "item dim"], *, negative: Float[Tensor, "item dim"]
) -> float:
    """Share of triplets where both wordings are nearer to each other than each is to the negative, strictly."""
    return float(triplet_hits(first, second, negative=negative).double().mean())


def triplet_hits(
    first: Float[Tensor, "item dim"], second: Float[Tensor, "item dim"], *, negative: Float[Tensor, "item dim"]
) -> Bool[Tensor, "item"]:
    """Which triplets are right: cosine similarity; paper, section 4.7 (SugarCrepe++, VISLA)."""
    _check_items(len(first))
    one, two, wrong = (torch.nn.functional.normalize(rows.double(), dim=1) for rows in (first, second, negative))
    agree = (one * two).sum(dim=1)
    return (agree > (one * wrong).sum(dim=1)) & (agree > (two * wrong).sum(dim=1))


def answer_accuracy(answers: Sequence[str], truths: Sequence[str]) -> AnswerAccuracy:
    """Accuracy of answers compared without regard to case and outer blanks, with the share of answers that say yes."""
    if len(answers) != len(truths):
        raise ValueError(f"{len(answers)} answers for {len(truths)} questions: give one each")
    _check_items(len(answers))
    given = [answer.strip().casefold() for answer in answers]
    right = sum(answer == truth.strip().casefold() for answer, truth in zip(given, truths, strict=True))
    return AnswerAccuracy(accuracy=right / len(given), yes_ratio=given.count("yes") / len(given))


def yes_or_no(said: Bool[Tensor, "item"], true: Bool[Tensor, "item"]) -> YesNo:
    """How often yes is said and how well (POPE); precision of nothing said and recall of nothing true are 0."""
    _check_items(len(said))
    both, yes, right = (int(bits.sum()) for bits in (said & true, said, true))
    return YesNo(
        says_yes=yes / len(said),
        precision=both / max(yes, 1),
        recall=both / max(right, 1),
        f1=2 * both / max(yes + right, 1),
    )


def boundary_f1(found: Sequence[float], true: Sequence[float], *, tolerance: float) -> BoundaryScore:
    """Boundaries in seconds matched one to one, as many pairs as possible, at most `tolerance` seconds apart.

    Nothing found where nothing is true scores one.
    """
    if not tolerance >= 0:
        raise ValueError(f"tolerance is {tolerance} s: give 0 or more")
    if not found and not true:
        return BoundaryScore(precision=1.0, recall=1.0, f1=1.0)
    mine, theirs = sorted(found), sorted(true)
    pairs = place = 0
    # On a line, giving each found boundary the earliest free true one within reach makes the most pairs.
    for boundary in mine:
        while place < len(theirs) and theirs[place] < boundary - tolerance:
            place += 1
        if place < len(theirs) and theirs[place] <= boundary + tolerance:
            pairs, place = pairs + 1, place + 1
    precision, recall = pairs / max(len(mine), 1), pairs / max(len(theirs), 1)
    return BoundaryScore(precision=precision, recall=recall, f1=2 * pairs / (len(mine) + len(theirs)))


def expected_calibration_error(
    confidence: Float[Tensor, "item"], correct: Bool[Tensor, "item"], *, num_bins: int = 15
) -> float:
    """Mean gap between confidence and accuracy over equally wide bins of confidence, weighted by their items."""
    bins = reliability(confidence, correct, num_bins=num_bins)
    return sum(abs(one.confidence - one.accuracy) * one.num_items for one in bins) / len(confidence)


def reliability(
    confidence: Float[Tensor, "item"], correct: Bool[Tensor, "item"], *, num_bins: int = 15
) -> list[ReliabilityBin]:
    """Those of equally wide bins of confidence that hold items: their mean confidence, and the share that is right."""
    _check_probabilities(confidence)
    if num_bins < 1:
        raise ValueError(f"{num_bins} bins: ask for at least one")
    # Bins are open below and closed above, as in Guo et al. 2017; zero belongs to the first.
    places = ((confidence.double() * num_bins).ceil().long() - 1).clamp(0, num_bins - 1)
    return [
        ReliabilityBin(
            confidence=float(confidence[places == place].double().mean()),
            accuracy=float(correct[places == place].double().mean()),
            num_items=int((places == place).sum()),
        )
        for place in places.unique().tolist()
    ]


def brier_score(probabilities: Float[Tensor, "item label"], labels: Int64[Tensor, "item"]) -> float:
    """Mean squared distance between the probabilities and the truth, summed over labels: 0 is perfect, 2 the worst."""
    _check_probabilities(probabilities)
    _check_labels(labels, num_labels=probabilities.shape[1])
    truth = torch.nn.functional.one_hot(labels, probabilities.shape[1]).double()
    return float((probabilities.double() - truth).square().sum(dim=1).mean())


def anisotropy(embeddings: Float[Tensor, "item dim"]) -> float:
    """Mean cosine between two different embeddings: 0 where they fill the space, 1 where all point one way."""
    if len(embeddings) < 2:
        raise ValueError(f"{len(embeddings)} embeddings: anisotropy needs at least two")
    unit = torch.nn.functional.normalize(embeddings.double(), dim=1)
    num = len(unit)
    return float((unit.sum(dim=0).square().sum() - unit.square().sum()) / (num * (num - 1)))


def effective_rank(embeddings: Float[Tensor, "item dim"]) -> float:
    """How many directions the embeddings use: e to the entropy of their singular values, not centred (RankMe)."""
    _check_items(len(embeddings))
    values = torch.linalg.svdvals(embeddings.double())
    if not bool(values.sum() > 0):
        raise ValueError("all embeddings are zero: there is no direction to count")
    shares = values / values.sum()
    return float(torch.special.entr(shares).sum().exp())


def bootstrap_interval(
    values: Float[Tensor, "item"], *, level: float = 0.95, num_resamples: int = 1000, seed: int = 0
) -> Interval:
    """Percentile bootstrap of the mean: items (videos, streams, queries) are drawn again with replacement.

    The same seed gives the same interval.
    """
    _check_items(len(values))
    if not 0 < level < 1 or num_resamples < 1:
        raise ValueError(f"level {level}, {num_resamples} resamples: level lies between 0 and 1, resamples from 1")
    generator = torch.Generator().manual_seed(seed)
    rows = values.double()
    means = torch.stack(
        [rows[torch.randint(len(rows), (len(rows),), generator=generator)].mean() for _ in range(num_resamples)]
    )
    low, high = means.quantile(torch.tensor([(1 - level) / 2, (1 + level) / 2], dtype=torch.float64)).tolist()
    return Interval(mean=float(rows.mean()), low=low, high=high)


def _checked_ranks(ranks: Int64[Tensor, "query"]) -> Int64[Tensor, "query"]:
    _check_items(len(ranks))
    return ranks


def _checked_k(k: int) -> int:
    if k < 1:
        raise ValueError(f"k is {k}: ask for at least the first one")
    return k


def _check_items(num_items: int) -> None:
    if not num_items:
        raise ValueError("there is nothing to score: give at least one item")


def _check_scores(scores: Float[Tensor, "query item"]) -> None:
    """ValueError where there is nothing to rank, or a score is not a number and so loses no comparison."""
    if not scores.numel():
        raise ValueError(f"there is nothing to rank: the scores have shape {tuple(scores.shape)}")
    if bool(scores.isnan().any()):
        raise ValueError(f"query {int(torch.nonzero(scores.isnan())[0, 0])} has a score that is not a number")


def _check_labels(labels: Int64[Tensor, "item"], *, num_labels: int) -> None:
    if bool(((labels < 0) | (labels >= num_labels)).any()):
        raise ValueError(f"labels run from {int(labels.min())} to {int(labels.max())}: give 0 to {num_labels - 1}")


def _check_probabilities(probabilities: Float[Tensor, "..."]) -> None:
    _check_items(len(probabilities))
    if not bool(((probabilities >= 0) & (probabilities <= 1)).all()):
        raise ValueError("a probability lies outside 0 to 1: apply softmax to the scores first")
