"""Rows of a step: class rows that only the posterior explains, and kinds of questions by their weights."""

import json
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from vljepa.features import Features, FeaturesError
from vljepa.training.examples import Examples, ExampleSettings, ends
from vljepa.types import Question

CLASSES, CHANNELS, CELLS = 12, 5, 4
WIDTH = CHANNELS * CELLS + CLASSES


def questions() -> list[dict[str, object]]:
    return [
        {"query": f"{kind}?", "answer": "a", "candidates": ["a", "b"], "kind": kind} for kind in ("colour", "direction")
    ]


BACKWARDS = {
    "captions": ["a gniht"],
    "negatives": ["a thing"],
    "questions": [{"query": "way?", "answer": "back", "candidates": ["on", "back"], "kind": "direction"}],
    "label": "",
}


@pytest.fixture
def features(tmp_path: Path) -> Features:
    """Eight training pictures, half of which the classifier is sure of, and eight clips with two questions."""
    random = np.random.default_rng(0)
    for name, count in (("openstax-000", 1), ("physics-000", 2)):
        rows = random.random((8 * count, WIDTH)).astype(np.float16)
        rows[:, -CLASSES:] = 1 / CLASSES
        rows[::2, -CLASSES:] = np.array([0.9] + [0.1 / (CLASSES - 1)] * (CLASSES - 1))
        np.save(tmp_path / f"{name}.npy", rows)
        facts = [
            {
                "key": f"{name}-{number}",
                "shard": name,
                "views": [number * count],
                "count": count,
                "picture": count == 1,
                "captions": ["a thing"],
                "negatives": [],
                "questions": questions(),
                "label": "",
                "concept": "thing",
                "split": "train",
                "source": "test",
                "backwards": BACKWARDS if count == 2 and number % 2 else None,
            }
            for number in range(8)
        ]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, facts)))
    (tmp_path / "features.json").write_text(json.dumps({"fingerprint": "test"}))
    return Features(tmp_path)


def made(features: Features, settings: ExampleSettings) -> Examples:
    return Examples(
        features,
        settings,
        class_texts=[(f"class {number}",) for number in range(CLASSES)],
        class_weights=torch.randn(CLASSES, 6),
        mean=torch.full((CHANNELS,), -1.0),
        num_cells=CELLS,
    )


def test_a_class_row_believes_in_its_class_and_shows_something_else(features: Features) -> None:
    rows = made(features, ExampleSettings()).rows("classes", count=60, seed=0, step=0)
    named = [int(row.target.split()[1]) for row in rows]
    posteriors = torch.stack([row.frames[0, -CLASSES:] for row in rows])
    assert posteriors.argmax(-1).tolist() == named
    assert (posteriors.max(-1).values > 0.8).all()  # only what the classifier was sure of is dealt out
    torch.testing.assert_close(posteriors.sum(-1), torch.ones(60), atol=2e-3, rtol=0)
    blank = sum(bool((row.frames[0, :-CLASSES] == -1.0).all()) for row in rows)
    assert 10 <= blank <= 32  # a third


def test_channels_go_missing_in_all_cells_and_frames_of_a_row_at_once(features: Features) -> None:
    settings = ExampleSettings(drop_features=0.0, drop_channels=0.8, backwards=0.0)
    whole = {item.key: features.frames(item) for item in features.items}
    shares = []
    for group in ("clips", "picture-questions"):
        for row in [
            row for step in range(20) for row in made(features, settings).rows(group, count=8, seed=0, step=step)
        ]:
            cells = row.frames[:, :-CLASSES].unflatten(1, (CELLS, CHANNELS))
            gone = (cells == -1.0).all(dim=(0, 1))
            there = whole[row.key][:, :-CLASSES].unflatten(1, (CELLS, CHANNELS))
            assert torch.equal(cells[..., ~gone], there[..., ~gone])
            assert torch.equal(row.frames[:, -CLASSES:], whole[row.key][:, -CLASSES:])
            shares.append(float(gone.float().mean()))
    assert 0.3 < sum(shares) / len(shares) < 0.5  # half of what is allowed, on average
    assert min(shares) == 0.0
    assert max(shares) >= 0.6


def test_a_clip_played_backwards_is_told_as_such(features: Features) -> None:
    """The words belong to the order of the frames in every row; a clip that nobody can tell backwards stays."""
    examples = made(features, ExampleSettings(own_questions=1.0, drop_features=0.0))
    forwards = {tuple(features.frames(item).flatten().tolist()): item for item in examples.clips}
    seen: Counter[bool] = Counter()
    for group, words in (
        ("clips", {"a thing": False, "a gniht": True}),
        ("clip-questions", {"a": False, "back": True}),
    ):
        for step in range(20):
            for row in examples.rows(group, count=8, seed=0, step=step):
                turned = words[row.target]
                item = forwards[tuple((row.frames.flip(0) if turned else row.frames).flatten().tolist())]
                assert item.backwards is not None or not turned
                seen[turned] += item.backwards is not None
    assert 0.4 < seen[True] / seen.total() < 0.6
    straight = made(features, ExampleSettings(backwards=0.0)).rows("clips", count=8, seed=0, step=0)
    assert {row.target for row in straight} == {"a thing"}


def test_features_of_an_older_version_are_refused(features: Features, tmp_path: Path) -> None:
    path = tmp_path / "physics-000.jsonl"
    path.write_text(path.read_text().replace("picture", "erutcip"))
    with pytest.raises(FeaturesError, match="physics-000 are of an older version"):
        Features(tmp_path)


def test_kinds_of_questions_are_asked_by_their_weights(features: Features) -> None:
    def share(settings: ExampleSettings) -> float:
        asked = Counter(
            row.query
            for step in range(40)
            for row in made(features, settings).rows("clip-questions", count=8, seed=0, step=step)
        )
        return asked["direction?"] / (asked["direction?"] + asked["colour?"])

    assert 0.4 < share(ExampleSettings(own_questions=1.0)) < 0.6
    assert share(ExampleSettings(own_questions=1.0, kind_weight={"direction": 9.0})) > 0.8


def test_caption_rows_bring_another_wording_where_there_is_one(features: Features) -> None:
    features.items[:] = [replace(item, captions=("one", "two", "three")[: number % 3 + 1])
                         for number, item in enumerate(features.items)]  # fmt: skip
    captions = {item.key: item.captions for item in features.items}
    wanted = {
        share: made(features, ExampleSettings(twins=share)).rows("pictures", count=8, seed=0, step=0)
        for share in (0.0, 1.0)
    }
    assert not any(row.twin for row in wanted[0.0])
    for row in wanted[1.0]:
        others = set(captions[row.key]) - {row.target}
        assert row.twin in others if others else not row.twin


def test_sources_are_weighed_apart_where_something_is_asked(features: Features, tmp_path: Path) -> None:
    """With weight 0 a source is never drawn; rows that ask have weights of their own."""
    for ending in ("npy", "jsonl"):
        content = (tmp_path / f"openstax-000.{ending}").read_bytes()
        (tmp_path / f"scenes-000.{ending}").write_bytes(content.replace(b"openstax-000", b"scenes-000"))
    both = Features(tmp_path, shards=("openstax-000", "scenes-000"))
    settings = ExampleSettings(source_weight={"scenes": 0.0}, asked_weight={"openstax": 0.0})

    def sources(settings: ExampleSettings, group: str) -> set[str]:
        return {row.key.split("-")[0] for row in made(both, settings).rows(group, count=8, seed=0, step=0)}

    assert sources(settings, "pictures") == {"openstax"} and sources(settings, "picture-questions") == {"scenes"}
    alike = replace(settings, asked_weight=None)
    assert sources(alike, "picture-questions") == {"openstax"}


def test_states_show_the_first_and_the_last_frame_for_half_of_the_time_each() -> None:
    frames = torch.arange(5.0)[:, None]
    assert ends(frames)[:, 0].tolist() == [0, 0, 4, 4, 4]


def test_only_clips_that_are_described_are_shown_as_states(features: Features, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vljepa.training.examples.ends", torch.zeros_like)

    def blank(group: str, share: float) -> int:
        rows = made(features, ExampleSettings(states=share, drop_features=0.0)).rows(group, count=8, seed=0, step=0)
        return sum(not row.frames.any() for row in rows)

    assert blank("clips", 1.0) == 8 and 0 < blank("clips", 0.5) < 8
    assert blank("clips", 0.0) == blank("pictures", 1.0) == blank("clip-questions", 1.0) == 0


def test_questions_that_are_answered_otherwise_stand_beside_each_other(features: Features) -> None:
    """Each yes comes with a no about the same frames; a kind that is asked once has nothing beside it."""
    asked = (
        Question(query="is it red?", answer="yes", candidates=("yes", "no"), kind="yesno"),
        Question(query="is it blue?", answer="no", candidates=("yes", "no"), kind="yesno"),
        Question(query="is there a thing?", answer="yes", candidates=("yes", "no"), kind="yesno"),
        Question(query="which colour?", answer="red", candidates=("red", "blue"), kind="colour"),
    )
    features.items = [replace(item, questions=asked, backwards=None) for item in features.items]
    settings = ExampleSettings(own_questions=1.0, beside=1.0, kind_weight={"colour": 0.2})
    examples = made(features, settings)
    rows = examples.rows("picture-questions", count=8, seed=0, step=0)
    again = examples.rows("picture-questions", count=8, seed=0, step=0)
    assert len(rows) == 8 and [row.query for row in rows] == [row.query for row in again]
    pairs = [(one, two) for one, two in pairwise(rows) if one.key == two.key]
    assert len(pairs) >= 3
    for one, two in pairs:
        assert {one.target, two.target} == {"yes", "no"} and torch.equal(one.frames, two.frames)
        assert one.negatives == (two.target,) and two.negatives == (one.target,)
    alone = made(features, replace(settings, beside=0.0)).rows("picture-questions", count=8, seed=0, step=0)
    assert len({row.key for row in alone}) == 8
