"""What a row asks: kinds and captions by their weights, a share without a query, wrong answers beside the right."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from vljepa.data.asking import CAPTION_QUERIES, LABEL_QUERIES, Asked, AskSettings, can_be_asked, draw_asked
from vljepa.types import Question, Sample

QUESTION = Question(query="what colour?", answer="red", candidates=("red", "blue", "green"), kind="colour")
SAMPLE = Sample(
    key="a",
    media=b"",
    extension="mp4",
    captions=("brief", "detailed"),
    weights=(1.0, 0.5),
    negatives=("wrong", "worse"),
    label="dog",
    questions=(QUESTION,),
    source="made",
    licence="CC0",
    concept="a",
    split="train",
)


def drawn(sample: Sample, settings: AskSettings, times: int = 600) -> list[Asked]:
    random = np.random.default_rng(0)
    return [draw_asked(sample, settings, random) for _ in range(times)]


def test_captions_are_drawn_by_their_weights() -> None:
    targets = Counter(asked.target for asked in drawn(SAMPLE, AskSettings(labels=0.0, questions=0.0)))
    assert set(targets) == {"brief", "detailed"}
    assert targets["brief"] / 600 == pytest.approx(2 / 3, abs=0.06)
    alike = Counter(
        asked.target for asked in drawn(replace(SAMPLE, weights=()), AskSettings(labels=0.0, questions=0.0))
    )
    assert alike["brief"] / 600 == pytest.approx(1 / 2, abs=0.06)


def test_blank_captions_are_never_a_target() -> None:
    blank = replace(SAMPLE, captions=(" ", "brief", ""), weights=(2.0, 0.5, 1.0), label="", questions=())
    assert {asked.target for asked in drawn(blank, AskSettings(), times=40)} == {"brief"}
    nothing = replace(blank, captions=("", " "), weights=())
    assert can_be_asked(blank) and not can_be_asked(nothing)
    with pytest.raises(ValueError, match="no caption, label or question"):
        drawn(nothing, AskSettings(), times=1)


def test_kinds_are_drawn_by_their_weights_where_the_sample_has_them() -> None:
    rows = drawn(SAMPLE, AskSettings(captions=1.0, labels=2.0, questions=1.0))
    assert sum(asked.target == "dog" for asked in rows) / 600 == pytest.approx(1 / 2, abs=0.06)
    assert sum(asked.target == "red" for asked in rows) / 600 == pytest.approx(1 / 4, abs=0.06)
    assert {asked.target for asked in drawn(replace(SAMPLE, captions=(), questions=()), AskSettings())} == {"dog"}


def test_a_share_is_asked_nothing_and_the_rest_what_fits() -> None:
    rows = drawn(SAMPLE, AskSettings(questions=0.0, query_free=0.25))
    assert sum(not asked.query for asked in rows) / 600 == pytest.approx(0.25, abs=0.06)
    assert {asked.query for asked in rows if asked.query and asked.target == "dog"} <= set(LABEL_QUERIES)
    assert {asked.query for asked in rows if asked.query and asked.target != "dog"} <= set(CAPTION_QUERIES)


def test_a_question_brings_its_other_candidates() -> None:
    (asked,) = drawn(SAMPLE, AskSettings(captions=0.0, labels=0.0, negatives=5), times=1)
    assert (asked.query, asked.target, set(asked.negatives)) == ("what colour?", "red", {"blue", "green"})


def test_a_sample_of_which_nothing_is_known_is_refused() -> None:
    with pytest.raises(ValueError, match="no caption, label or question"):
        drawn(replace(SAMPLE, captions=(), weights=(), label="", questions=()), AskSettings(), times=1)
