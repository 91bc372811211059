"""How much of the picture classifier's opinion is added: what finds most captions of validation items."""

from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch.nn import functional

from vljepa.models.sizes import tiny
from vljepa.models.vljepa import VLJEPA
from vljepa.training.calibrate import BELIEFS, fit_belief
from vljepa.training.validate import Validator

ITEMS, DIM, CLASSES = 60, 16, 1000


class Looked(Validator):
    """One whose answers and texts are made up: captions lie where answers and opinions add up to."""

    answers: torch.Tensor
    opinions: torch.Tensor
    captions: torch.Tensor
    asked: list[str]

    def __init__(self, *, true_weight: float) -> None:
        torch.manual_seed(0)
        answers, opinions = (functional.normalize(torch.randn(ITEMS, DIM), dim=-1) for _ in range(2))
        noise = 0.1 * torch.randn(ITEMS, DIM)
        captions = functional.normalize(answers + true_weight * opinions + noise, dim=-1)
        # A frozen dataclass: what it would look up is put in its place.
        self.__dict__.update(answers=answers, opinions=opinions, captions=captions, asked=[])

    def groups(self) -> dict[str, list[Any]]:
        return {"pictures": [SimpleNamespace(captions=(str(number),)) for number in range(ITEMS)]}

    def predictions(self, model: VLJEPA, items: Sequence[Any], queries: Sequence[str]) -> torch.Tensor:
        assert float(model.predictor.conse.weight) == 0.0  # what is added is not to be in already
        self.asked.extend(queries)
        return self.answers

    def texts(self, model: VLJEPA, texts: Sequence[str]) -> torch.Tensor:
        return self.captions[[int(text) for text in texts]]

    def posterior(self, model: VLJEPA, items: Sequence[Any]) -> torch.Tensor:
        return torch.eye(CLASSES)[: len(items)]


@pytest.mark.parametrize("true_weight", [0.0, 1.0])
def test_the_weight_that_finds_most_is_taken(true_weight: float) -> None:
    settings = tiny()
    model = VLJEPA(replace(settings, predictor=replace(settings.predictor, classes=CLASSES, shared=DIM)))
    looked = Looked(true_weight=true_weight)
    model.predictor.conse.names[:ITEMS] = looked.opinions
    model.predictor.conse.weight.fill_(0.9)
    found = fit_belief(model, looked)
    assert found in BELIEFS and abs(found - true_weight) <= 0.45
    assert set(looked.asked) == {""}
