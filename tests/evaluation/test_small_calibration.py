"""The rows of `evaluate small` on probabilities say what a given calibration does, and the figure shows the same."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests.training.test_validate import made

from vljepa.cli.main import main
from vljepa.embedder import Embedder
from vljepa.evaluation.benchmarks import small
from vljepa.evaluation.benchmarks.held_out import HeldOut
from vljepa.evaluation.benchmarks.small_calibration import _bins, _scores, calibration_rows
from vljepa.evaluation.benchmarks.small_words import Captioned
from vljepa.evaluation.report import Report, Row, receipt
from vljepa.weights.calibration import Calibration, Pair

GROUPS = (
    "descriptions of pictures",
    "questions about pictures",
    "descriptions of clips",
    "questions about clips",
)
MEASURES = ("ECE", "Brier score", "false alarms", "misses")


def held_out(folder: Path, calibration: Calibration) -> HeldOut:
    bundle, validator = made(folder)
    embedder = Embedder(replace(bundle, calibration=calibration))
    return HeldOut(embedder=embedder, features=validator.features, split="validation")


def test_rows_by_group_beside_a_model_without_calibration(tmp_path: Path) -> None:
    rows, curves = calibration_rows(held_out(tmp_path, Calibration()))
    assert [row.name for row in rows] == [f"{group}: {measure}" for group in GROUPS for measure in MEASURES]
    assert [row.unit for row in rows[:4]] == ["ECE", "Brier", "share", "share"]
    assert [row.num_items for row in rows if row.name.endswith("ECE")] == [24, 72, 12, 24]
    assert [row.num_items for row in rows if row.name.endswith("alarms")] == [12, 36, 6, 12]
    assert all(row.baselines == {"not calibrated": row.score} for row in rows)
    assert set(curves) == set(GROUPS)
    assert all(sum(one["num_items"] for one in curves[GROUPS[0]][way]) == 24 for way in ("before", "after"))


@pytest.mark.parametrize(("height", "alarms", "misses"), [(2.0, 1.0, 0.0), (-2.0, 0.0, 1.0)])
def test_each_group_has_a_height(tmp_path: Path, height: float, alarms: float, misses: float) -> None:
    there = held_out(tmp_path, Calibration())
    for group, case in zip(GROUPS, ("picture", "picture_asked", "clip", "clip_asked"), strict=True):
        calibration = Calibration(**{case: Pair(background=height)})
        embedder = Embedder(replace(there.embedder.bundle, calibration=calibration))
        rows, _ = calibration_rows(replace(there, embedder=embedder))
        scores = {row.name: row.score for row in rows}
        assert (scores[f"{group}: false alarms"], scores[f"{group}: misses"]) == (alarms, misses)
        changed = {row.name for row in rows if row.baselines["not calibrated"] != row.score}
        assert f"{group}: ECE" in changed and all(name.startswith(group) for name in changed)


def test_what_the_measures_are() -> None:
    # Shown and found; shown and taken for none; not shown and told so; not shown and something else found.
    shares = torch.tensor([[0.9, 0.0, 0.1], [0.4, 0.0, 0.6], [0.0, 0.1, 0.9], [0.0, 0.9, 0.1]], dtype=torch.float64)
    present = torch.tensor([True, True, False, False])
    scores = _scores(shares, present)
    assert (scores["false alarms"], scores["misses"]) == (0.5, 0.5)
    assert scores["ECE"] == pytest.approx((3 * abs(0.9 - 2 / 3) + 0.6) / 4)
    assert scores["Brier score"] == pytest.approx((0.02 + 0.72 + 0.02 + 1.62) / 4)
    sure = {"confidence": pytest.approx(0.9), "accuracy": pytest.approx(2 / 3), "num_items": 3}
    assert _bins(shares, present) == [{"confidence": pytest.approx(0.6), "accuracy": 0.0, "num_items": 1}, sure]


def test_the_figure_is_drawn_by_the_option(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = receipt(command="", model="", data="", frames=4, sampling=None, missing=0, seed=0)
    bins = [{"confidence": 0.3, "accuracy": 0.4, "num_items": 7}, {"confidence": 0.8, "accuracy": 0.7, "num_items": 3}]
    curves = {"calibration": {group: {"before": bins, "after": bins[:1]} for group in GROUPS}}
    report = Report(benchmark="small", rows=(), receipt=told, curves=curves)
    monkeypatch.setattr("vljepa.cli.evaluate._report", lambda options: report)
    figure = tmp_path / "reliable"
    assert main(["evaluate", "small", "--root", str(tmp_path), "--plot", str(figure), "--json"]) == 0
    assert (tmp_path / "reliable.png").stat().st_size > 10_000
    drawn = (tmp_path / "reliable.svg").read_text()
    assert all(json.dumps(name)[1:-1] in drawn for name in (*GROUPS, "after"))


def test_the_report_of_small_holds_rows_and_bins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = held_out(tmp_path, Calibration())
    (tmp_path / "shards.json").write_text("{}")
    row = Row(name="made", score=0.0, num_items=1, baselines={}, protocol="")
    monkeypatch.setattr(HeldOut, "open", lambda *given: there)
    for name in ("class_names", "imagenet_samples", "head_on_training_pictures", "selective_curve"):
        monkeypatch.setattr(small, name, lambda *given, **more: None)
    for name in ("retrieval_row", "naming_row", "emoji_row"):
        monkeypatch.setattr(small, name, lambda *given, **more: row)
    for name in ("question_rows", "picture_question_rows", "action_rows"):
        monkeypatch.setattr(small, name, lambda *given: [row])
    monkeypatch.setattr(small, "captioned", lambda *given, **more: Captioned(rows=(row, row), examples=[]))
    report = small.evaluate_small(there.embedder, tmp_path, cache=tmp_path, command="")
    rows, curves = calibration_rows(there)
    assert report.rows[-len(rows) :] == tuple(rows)
    assert report.curves["calibration"] == curves
