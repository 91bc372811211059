"""The rows of `evaluate small` on probabilities: how far they can be believed, and "none of these" with them."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from vljepa.evaluation.benchmarks.held_out import HeldOut
from vljepa.evaluation.choices import Choice, cases, cosines
from vljepa.evaluation.metrics import brier_score, expected_calibration_error, reliability
from vljepa.evaluation.report import Row
from vljepa.tasks.calibration import calibrated
from vljepa.weights.calibration import Calibration

# Whose probabilities are measured, by the pair that decides them.
GROUPS = {
    "picture": "descriptions of pictures",
    "picture_asked": "questions about pictures",
    "clip": "descriptions of clips",
    "clip_asked": "questions about clips",
}
# What is measured, its unit, and how.
MEASURES = {
    "ECE": ("ECE", "gap between the probability of what is likeliest and how often it is right, 15 bins"),
    "Brier score": ("Brier", "squared distance of all probabilities from the truth: 0 is perfect, 2 the worst"),
    "false alarms": ("share", "the right text is shown, and none of these is likeliest"),
    "misses": ("share", "the right text is not shown, and none of these is not likeliest"),
}


def calibration_rows(held_out: HeldOut) -> tuple[list[Row], dict[str, Any]]:
    """Rows by group, each as the model is beside one to which no calibration was fitted, and bins for the figure."""
    items = [item for item in held_out.features.items if item.split == held_out.split]
    rows: list[Row] = []
    curves: dict[str, Any] = {}
    for case, choices in cases(items).items():
        if not choices:
            continue
        group = GROUPS[case]
        predicted = held_out.predict([held_out.frames(one.item) for one in choices], [one.query for one in choices])
        found = cosines(choices, predicted, held_out.texts)
        present = torch.tensor([one.present for one in choices])
        ways = {"before": Calibration(), "after": held_out.embedder.calibration}
        shares = {way: _shares(found, choices, calibration) for way, calibration in ways.items()}
        scores = {way: _scores(some, present) for way, some in shares.items()}
        rows += _rows(group, choices, before=scores["before"], after=scores["after"])
        curves[group] = {way: _bins(some, present) for way, some in shares.items()}
    return rows, curves


def _rows(group: str, choices: Sequence[Choice], *, before: dict[str, float], after: dict[str, float]) -> list[Row]:
    present = sum(one.present for one in choices)
    counts = {"false alarms": present, "misses": len(choices) - present}
    shown = f"{len(choices[0].texts)} texts and none of these, the right one among them in half the rows"
    return [
        Row(
            name=f"{group}: {name}",
            score=after[name],
            num_items=counts.get(name, len(choices)),
            baselines={"not calibrated": before[name]},
            unit=unit,
            protocol=f"{how}; {shown}; calibrated on validation items",
        )
        for name, (unit, how) in MEASURES.items()
    ]


def _shares(
    cosines: Float[Tensor, "row text"], choices: Sequence[Choice], calibration: Calibration
) -> Float[Tensor, "row text_or_none"]:
    """Probabilities of the texts shown, and last that of none of them."""
    pairs = [calibration.of(moving=not one.item.picture, asked=bool(one.query)) for one in choices]
    found = [calibrated(row, pair) for row, pair in zip(cosines, pairs, strict=True)]
    return torch.stack([torch.cat([one.probabilities, torch.tensor([one.none_of_these])]) for one in found])


def _scores(shares: Float[Tensor, "row text_or_none"], present: Bool[Tensor, "row"]) -> dict[str, float]:
    """MEASURES by name."""
    none = shares.argmax(1) == shares.shape[1] - 1
    return {
        "ECE": expected_calibration_error(*_told(shares, present)),
        "Brier score": brier_score(shares, _right(shares, present)),
        "false alarms": float(none[present].double().mean()),
        "misses": float((~none)[~present].double().mean()),
    }


def _bins(shares: Float[Tensor, "row text_or_none"], present: Bool[Tensor, "row"]) -> list[dict[str, Any]]:
    return [asdict(one) for one in reliability(*_told(shares, present))]


def _told(
    shares: Float[Tensor, "row text_or_none"], present: Bool[Tensor, "row"]
) -> tuple[Float[Tensor, "row"], Bool[Tensor, "row"]]:
    """The probability of what is likeliest, and whether it is right."""
    return shares.amax(1), shares.argmax(1) == _right(shares, present)


def _right(shares: Float[Tensor, "row text_or_none"], present: Bool[Tensor, "row"]) -> Tensor:
    return torch.where(present, 0, shares.shape[1] - 1)
