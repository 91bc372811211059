"""Rows of a step: class rows that only the posterior explains, and kinds of questions by their weights."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from vljepa.features import Features
from vljepa.training.examples import Examples, ExampleSettings

CLASSES, CHANNELS, CELLS = 12, 5, 4
WIDTH = CHANNELS * CELLS + CLASSES


def questions() -> list[dict[str, object]]:
    return [
        {"query": f"{kind}?", "answer": "a", "candidates": ["a", "b"], "kind": kind} for kind in ("colour", "direction")
    ]


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
                "captions": ["a thing"],
                "negatives": [],
                "questions": questions(),
                "label": "",
                "concept": "thing",
                "split": "train",
                "source": "test",
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
