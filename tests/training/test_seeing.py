"""What a run shows: measurements, a warning when it collapses, trackers that are told the same, keys of a bad batch."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from tests.training.made_runs import make_run

from vljepa.config import SettingsError
from vljepa.training.progress import Collapse, Display
from vljepa.training.record import Record, read_metrics
from vljepa.training.trackers import open_trackers
from vljepa.training.trainer import Diverged, LoopSettings

pytestmark = pytest.mark.filterwarnings("ignore:torch.distributed is disabled:UserWarning")

LOOP = LoopSettings(steps=2, record_every=1, evaluate_every=100, save_every=100)


def test_a_measurement_has_everything_that_one_looks_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_run(tmp_path, loop=LOOP).fit()
    first = read_metrics(tmp_path / "metrics.jsonl")[0]
    assert {"loss", "temperature", "norm", "correct", "spread", "samples_per_second", "seconds"} <= first.keys()
    assert first["temperature"] == pytest.approx(0.07, abs=0.001)
    assert first["samples_per_second"] > 0
    shown = capsys.readouterr().err
    assert "stage 1/2" in shown and "samples per second" in shown and "temperature 0.07" in shown


def test_predictions_that_fall_together_are_warned_of_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trainer = make_run(tmp_path, loop=LoopSettings(steps=7, record_every=1, evaluate_every=100, save_every=100))
    head = trainer.objective.model.predictor.head
    with torch.no_grad():
        head.weight.zero_()
        head.bias.fill_(1.0)
    trainer.optimizer.param_groups[:] = [  # what it cannot leave
        group for group in trainer.optimizer.param_groups if not any(p is head.weight for p in group["params"])
    ]
    trainer.fit()
    shown = capsys.readouterr().err
    assert shown.count("warning: collapse at step 5") == 1
    assert shown.count("warning: collapse") == 1
    assert "lower optim.rate" in shown


def test_a_sound_run_and_the_first_steps_are_not_warned_of() -> None:
    collapse = Collapse(after=10)
    assert collapse.warning(5, 0.01) == ""
    assert collapse.warning(50, 0.8) == ""
    assert collapse.warning(50, None) == ""
    assert "spread 0.01" in collapse.warning(51, 0.01)
    assert collapse.warning(52, 0.01) == ""


def test_a_terminal_gets_a_bar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    record = Record(tmp_path / "metrics.jsonl", keep=False)
    record.console.width = 160
    with record.console.capture() as drawn, Display(record, name="clips", step=3, steps=9) as display:
        display.at(4)
        display.show(4, {"loss": 1.25})
    assert "clips" in drawn.get() and "4/9" in drawn.get() and "loss 1.25" in drawn.get()


@pytest.mark.parametrize("what", ["loss", "gradient norm"])
def test_what_is_no_number_stops_the_run_and_names_the_samples(what: str, tmp_path: Path) -> None:
    trainer = make_run(tmp_path, loop=LOOP)
    if what == "loss":
        with torch.no_grad():
            trainer.objective.model.predictor.head.weight.fill_(float("nan"))
    else:
        trainer.objective.model.predictor.head.weight.register_hook(lambda gradient: gradient * float("inf"))
    before = trainer.weights()
    with pytest.raises(Diverged, match=rf"{what} is (nan|inf) at step 0: .*diverged-step-0-rank-0.json") as told:
        trainer.fit()
    path = tmp_path / "checkpoints" / "stage" / "diverged-step-0-rank-0.json"
    assert str(path) in str(told.value)
    assert json.loads(path.read_text())["samples"] == [f"sample {row}" for row in range(8)]
    assert all(torch.equal(a, b) or a.isnan().any() for a, b in zip(trainer.weights(), before, strict=True))


def test_tensorboard_gets_the_same_numbers(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    (tracker,) = open_trackers(["tensorboard"], tmp_path, LOOP)
    record = Record(tmp_path / "metrics.jsonl", keep=False, trackers=[tracker])
    record.write("clips", 10, loss=1.5)
    record.write("clips", 20, loss=1.25)
    record.close()
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [(event.step, event.value) for event in events.Scalars("clips/loss")] == [(10, 1.5), (20, 1.25)]


@pytest.mark.parametrize("name", ["trackio", "wandb"])
def test_logbooks_get_the_same_numbers(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[object] = []
    package = SimpleNamespace(
        init=lambda **given: told.append(given), log=told.append, finish=lambda: told.append("finished")
    )
    monkeypatch.setitem(sys.modules, name, package)  # the calls that both packages document
    (tracker,) = open_trackers([name], tmp_path / "my-run", LOOP)
    record = Record(tmp_path / "metrics.jsonl", keep=False, trackers=[tracker])
    record.write("clips", 10, loss=1.5)
    record.close()
    assert told[0]["name"] == "my-run"  # type: ignore[index]
    assert told[0]["config"]["steps"] == 2  # type: ignore[index]
    assert told[1:] == [{"clips/loss": 1.5, "clips/step": 10}, "finished"]


def test_a_tracker_that_is_missing_or_unknown_is_a_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(SettingsError, match=r"tracker wandb needs a package .* pip install 'vljepa\[wandb\]'"):
        open_trackers(["wandb"], tmp_path, LOOP)
    with pytest.raises(SettingsError, match="there is no tracker tensorbord; did you mean tensorboard"):
        open_trackers(["tensorbord"], tmp_path, LOOP)
