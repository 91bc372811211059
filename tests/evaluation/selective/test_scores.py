"""Scores of ways to decode: nearest in time, each embedding once, and savings as one would read them off the figure."""

import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from vljepa.embedder import Embedder
from vljepa.evaluation.benchmarks.selective.footage import AnnotatedStream
from vljepa.evaluation.benchmarks.selective.measure import TELLING, _savings
from vljepa.evaluation.benchmarks.selective.methods import RATES, Condition, Watcher, all_conditions
from vljepa.evaluation.benchmarks.selective.plot import plot
from vljepa.evaluation.benchmarks.selective.scores import Scores, curves_by_name, interval, saving, score_all
from vljepa.evaluation.benchmarks.selective.scripts import Annotation
from vljepa.streaming.selective import coverage, decode_points

WORDS = ("a red ball falls", "the green cube stands still", "one blue cone turns over slowly", "two dogs run away")


def stream(lengths: tuple[int, ...] = (4, 26, 4, 14), *, seed: int = 0) -> AnnotatedStream:
    """Scenes along the axes in windows of two seconds, two a second, with a caption in the middle of each."""
    generator = torch.Generator().manual_seed(seed)
    rows = torch.eye(16)[: len(lengths)].repeat_interleave(torch.tensor(lengths), dim=0)
    rows = torch.nn.functional.normalize(rows + 0.02 * torch.randn(rows.shape, generator=generator), dim=1)
    times = [(place / 2, place / 2 + 2) for place in range(len(rows))]
    edges = np.cumsum((0, *lengths))
    return AnnotatedStream(
        name="made",
        embeddings=rows,
        times=times,
        annotations=tuple(
            Annotation(time=float((begin + end - 1) / 4 + 1), captions=(WORDS[scene],))
            for scene, (begin, end) in enumerate(pairwise(edges))
        ),
        boundaries=tuple(float(edge) / 2 + 0.75 for edge in edges[1:-1]),
    )


@pytest.fixture
def speaker(tiny_embedder: Embedder, monkeypatch: pytest.MonkeyPatch) -> tuple[Embedder, list[int]]:
    """A decoder that knows what each axis is, and how many embeddings it was given."""
    given: list[int] = []

    def decode(rows: torch.Tensor, *, candidates: int) -> list[str]:
        given.append(len(rows))
        return [WORDS[int(place)] for place in rows[:, :4].argmax(dim=1)]

    monkeypatch.setattr(tiny_embedder, "decode", decode)
    return tiny_embedder, given


def test_whoever_decodes_each_scene_says_everything(speaker: tuple[Embedder, list[int]]) -> None:
    rate = 4 / 25.5
    conditions = [
        Condition(way="ward", rate=rate, pooling="mean"),
        Condition(way="uniform", rate=rate, pooling="mean"),
        Condition(way="every", rate=2.0, pooling="exact"),
    ]
    ward, uniform, every = score_all([stream(), stream(seed=1)], conditions, speaker[0], report=lambda line: None)
    assert ward.cider.tolist() == every.cider.tolist() == pytest.approx([10.0, 10.0])
    assert uniform.cider.mean() < 9
    assert ward.boundary.tolist() == [1.0, 1.0]
    assert uniform.boundary.mean() < 0.8
    assert ward.coverage.mean() > 0.99 > uniform.coverage.mean()
    assert ward.decodes_per_second.tolist() == pytest.approx([rate, rate], rel=0.01)


def test_an_embedding_is_decoded_once_and_only_where_an_annotation_is_near(speaker: tuple[Embedder, list[int]]) -> None:
    conditions = [
        Condition(way="every", rate=2.0, pooling="exact"),
        Condition(way="uniform", rate=2.0, pooling="exact"),
    ]
    score_all([stream()], conditions, speaker[0], report=lambda line: None)
    assert sum(speaker[1]) == 4


def test_all_conditions_are_there() -> None:
    names = {condition.name for condition in all_conditions(RATES)}
    ours = {f"{way}, inner" for way in ("selective", "clear", "cluster", "change", "variance")}
    papers = {f"{way}, {kind}" for way in ("ward", "uniform") for kind in ("mean", "exact")}
    assert names == ours | papers | {"every, exact"}
    rates = [condition.rate for condition in all_conditions(RATES) if condition.name == "ward, mean"]
    assert rates[0] == 0.01 and rates[-1] == 2.0 and 1.0 in rates


def test_each_condition_decodes_from_what_it_says() -> None:
    made = stream()
    watcher = Watcher(made)
    for pooling in ("mean", "exact"):
        found = watcher.points(Condition(way="ward", rate=0.3, pooling=pooling))
        expected = decode_points("ward", made.embeddings, times=made.times, decodes_per_second=0.3, pooling=pooling)
        for one, other in zip(found, expected, strict=True):
            torch.testing.assert_close(one.embedding, other.embedding)
            assert one.segment == other.segment
    online = watcher.points(Condition(way="clear", rate=0.2, pooling="inner"))
    assert coverage(made.embeddings, online) > 0.9


def scores(cider: list[list[float]], rates: list[float], *, way: str = "ward") -> list[Scores]:
    return [
        Scores(
            condition=Condition(way=way, rate=rate, pooling="mean"),  # type: ignore[arg-type]
            cider=np.array(row),
            boundary=np.full(len(row), math.nan),
            coverage=np.ones(len(row)),
            decodes_per_second=np.full(len(row), rate),
        )
        for row, rate in zip(cider, rates, strict=True)
    ]


def test_savings_are_read_between_rates_on_a_logarithmic_scale() -> None:
    curve = scores([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]], [0.01, 0.1, 1.0])
    (reference,) = scores([[1.5, 1.5]], [1.0], way="uniform")
    found = saving(curve, reference)
    assert found.times == pytest.approx(1 / 10**-0.5)
    assert (found.low, found.high, found.missed) == (pytest.approx(found.times), pytest.approx(found.times), 0)
    (easy,) = scores([[0.0, 0.0]], [1.0])
    assert saving(curve, easy).times == pytest.approx(100)


def test_a_score_that_is_not_reached_is_none_and_counts_as_nothing() -> None:
    curve = scores([[0.0, 0.0], [1.0, 3.0]], [0.1, 1.0])
    (reference,) = scores([[2.5, 2.5]], [1.0], way="uniform")
    found = saving(curve, reference)
    assert found.times is None
    assert found.low == 0 and 0.5 < found.missed < 1


def test_where_captions_say_nothing_nobody_saves_anything() -> None:
    for said, expected in ((TELLING, ["ward, mean"]), (0.9 * TELLING, [])):
        (reference,) = scores([[said, said]], [1.0], way="uniform")
        found = _savings(scores([[said, said], [said, said]], [0.1, 1.0]), reference)
        assert list(found) == expected


def test_intervals_are_over_streams() -> None:
    low, high = interval(np.array([0.0, 1.0] * 50))
    assert 0.35 < low < 0.45 and 0.55 < high < 0.65
    assert interval(np.array([0.4, 0.4])) == (0.4, 0.4)


def test_the_figure_is_drawn_twice_and_the_same_each_time(tmp_path: Path) -> None:
    curve = {
        "rate": [0.1, 1.0],
        "decodes_per_second": [0.1, 1.0],
        "cider": [0.5, 1.0],
        "cider_interval": [[0.4, 0.6], [0.9, 1.1]],
        "boundary_f1": [None, None],
        "coverage": [0.8, 0.9],
    }
    curves = {"joined": {"streams": 2, "minutes": 9.5, "ways": {"ward, mean": curve, "uniform, exact": curve}}}
    first = [path.read_bytes() for path in plot(curves, tmp_path / "a")]
    again = [path.read_bytes() for path in plot(curves, tmp_path / "b")]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "a.svg", "b.png", "b.svg"]
    assert first == again
    assert b"joined: 2 streams" in first[1] or b"<svg" in first[1]


def test_curves_are_in_the_order_of_their_rates() -> None:
    made = scores([[1.0], [0.0]], [1.0, 0.1])
    assert [one.condition.rate for one in curves_by_name(made)["ward, mean"]] == [0.1, 1.0]
