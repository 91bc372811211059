"""Scores with what stands beside each: chance, blind, one frame, shuffled frames, answers that the query gives away."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from vljepa.evaluation.metrics import bootstrap_interval
from vljepa.evaluation.report import Row
from vljepa.evaluation.runners.seeing import Seen, Way

Predicted = Float[Tensor, "item dim"]
Value = Float[Tensor, "hit"] | float


@dataclass(frozen=True, kw_only=True)
class Score:
    """A number by name. `hits` gives it from predictions: one value an item, whose mean it is, or the number itself."""

    name: str
    hits: Callable[[Predicted], Value]
    chance: float
    protocol: str
    unit: str = "share"


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What a runner found: rows, how large the pool was, and further facts."""

    rows: tuple[Row, ...]
    pool: int
    facts: Mapping[str, Any] = field(default_factory=dict)


def rows_of(
    scores: Sequence[Score], seen: Seen, *, some: Bool[Tensor, "look"] | None = None, leak: float | None = None
) -> list[Row]:
    """Each score on what was seen as it is, with its interval, beside the same score on what was spoiled."""
    chosen = seen.there if some is None else seen.there & some
    predicted = seen.rows(chosen)
    ways: tuple[Way, ...] = tuple(way for way in predicted if way != "whole" and (seen.moves or way == "blind"))
    rows = []
    for score in scores:
        hits = score.hits(predicted["whole"])
        baselines = {"chance": score.chance} | {way: _mean(score.hits(predicted[way])) for way in ways}
        if leak is not None:
            baselines["answer in query"] = leak
        rows.append(
            Row(
                name=score.name,
                score=_mean(hits),
                num_items=int(chosen.sum()),
                baselines=baselines,
                protocol=score.protocol,
                unit=score.unit,
                interval=_interval(hits),
            )
        )
    return rows


def mean_row(name: str, rows: Sequence[Row], *, protocol: str) -> Row:
    """The plain mean of rows, baselines included."""
    return Row(
        name=name,
        score=sum(row.score for row in rows) / len(rows),
        num_items=sum(row.num_items for row in rows),
        baselines={way: sum(row.baselines[way] for row in rows) / len(rows) for way in rows[0].baselines},
        protocol=protocol,
    )


def once(function: Callable[[Predicted], Tensor]) -> Callable[[Predicted], Tensor]:
    """The function with its results kept by which tensor it was given: several scores look at the same ranks."""
    kept: dict[int, tuple[Tensor, Tensor]] = {}

    def call(predicted: Tensor) -> Tensor:
        if id(predicted) not in kept:
            kept[id(predicted)] = (predicted, function(predicted))  # what is held keeps its number
        return kept[id(predicted)][1]

    return call


def share_leaked(queries: Sequence[str], answers: Sequence[str]) -> float:
    """The share of items all of whose answer's words stand in the query: such answers can be read off."""
    return sum(words_of(answer) <= words_of(query) for query, answer in zip(queries, answers, strict=True)) / len(
        answers
    )


def words_of(text: str) -> set[str]:
    """Words in small letters."""
    return set(re.findall(r"\w+", text.lower()))


def _mean(hits: Value) -> float:
    return float(hits.double().mean()) if isinstance(hits, torch.Tensor) else hits


def _interval(hits: Value) -> tuple[float, float] | None:
    if not isinstance(hits, torch.Tensor):
        return None
    found = bootstrap_interval(hits.float())
    return found.low, found.high
