"""Scores on validation items: photographs and composed pictures stand apart, questions of both kinds are answered."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from tests.conftest import tiny_bundle

from vljepa.features import Features
from vljepa.models.vljepa import VLJEPA
from vljepa.training.calibrate import BELIEFS, fit_belief
from vljepa.training.validate import Validator
from vljepa.weights.folder import Bundle

CLASSES = 1000
SHARDS = {"openclipart-000": 1, "openstax-000": 1, "scenes-000": 1, "physics-000": 4}


def made(folder: Path) -> tuple[Bundle, Validator]:
    """Twelve validation items a source, each with a colour and a yes/no question; a model that adds an opinion."""
    bundle = tiny_bundle()
    settings = bundle.model.settings
    model = VLJEPA(replace(settings, predictor=replace(settings.predictor, classes=CLASSES))).eval()
    random = np.random.default_rng(0)
    asked = [
        {"query": f"{kind}?", "answer": "red", "candidates": ["red", "blue", "green", "a cat"], "kind": kind}
        for kind in ("colour", "yesno")
    ]
    for name, count in SHARDS.items():
        rows = random.random((12 * count, settings.x_encoder.frame_width)).astype(np.float16)
        rows[:, -CLASSES:] = 0.4 / CLASSES
        rows[np.arange(len(rows)), -CLASSES + np.arange(len(rows))] = 0.6
        np.save(folder / f"{name}.npy", rows)
        told = {"shard": name, "count": count, "negatives": [], "questions": asked, "label": "", "concept": "x",
                "split": "validation", "source": "made", "picture": count == 1, "backwards": None}  # fmt: skip
        lines = [
            told | {"key": f"{name}-{number}", "views": [number * count], "captions": [f"a {name} {number} ball"]}
            for number in range(12)
        ]
        (folder / f"{name}.jsonl").write_text("\n".join(map(json.dumps, lines)))
    (folder / "features.json").write_text(json.dumps({"fingerprint": "test"}))
    validator = Validator(
        features=Features(folder),
        query_tokenizer=bundle.query_tokenizer,
        target_tokenizer=bundle.target_tokenizer,
        class_names=[f"class {number}" for number in range(CLASSES)],
        dtype=torch.float32,
    )
    return replace(bundle, model=model), validator


def test_what_is_scored_and_what_is_kept_apart(tmp_path: Path) -> None:
    bundle, validator = made(tmp_path)
    model = bundle.model
    groups = {name: {item.corpus for item in items} for name, items in validator.groups().items()}
    assert groups == {
        "pictures": {"openclipart", "openstax"},
        "photographs": {"openstax"},
        "clips": {"physics"},
    }
    scores = validator(model)
    assert {"pictures_r10", "photographs_r10", "clips_r10", "classes_agree"} <= set(scores)
    assert {"ask_colour", "ask_yesno", "look_colour", "look_yesno"} <= set(scores)
    model.predictor.conse.say(torch.randn(CLASSES, model.settings.predictor.shared))
    assert fit_belief(model, validator) in BELIEFS
