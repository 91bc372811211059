"""Killed and resumed equals unbroken, bit for bit; a disk that is full leaves the checkpoint before it whole."""

import multiprocessing
import os
import random
import resource
import signal
import time
from pathlib import Path

import pytest
import torch
from tests.training.made_runs import make_run

from vljepa.config import SettingsError
from vljepa.training.checkpoint import CheckpointError, latest
from vljepa.training.record import Record, read_metrics
from vljepa.training.run_folder import keep_settings
from vljepa.training.trainer import LoopSettings

pytestmark = pytest.mark.filterwarnings("ignore:torch.distributed is disabled:UserWarning")

LOOP = LoopSettings(steps=10, record_every=1, evaluate_every=3, save_every=2)


def run_until(folder: Path, kill_at: int | None) -> None:
    """In a process of its own: train, and be killed while a step's batch is drawn, or leave the weights."""
    torch.set_num_threads(1)

    def spoil(step: int) -> None:
        if step == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    trainer = make_run(folder, loop=LOOP, dropout=0.3, spoil=spoil)
    trainer.fit()
    torch.save(trainer.weights(), folder / "weights.pt")


def alone(folder: Path, kill_at: int | None) -> int | None:
    process = PROCESSES.Process(target=run_until, args=(folder, kill_at))
    process.start()
    process.join()
    return process.exitcode


PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.training.made_runs"])


def test_killed_at_random_steps_and_resumed_five_times_equals_unbroken(tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert alone(whole, None) == 0
    # Each kill comes later than what the last one can have saved, so every life gets to it.
    for kill_at in sorted(random.sample(range(2, LOOP.steps), 5)):
        assert alone(broken, kill_at) == -signal.SIGKILL
    assert alone(broken, None) == 0
    expected, found = (torch.load(folder / "weights.pt", weights_only=True) for folder in (whole, broken))
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))
    curves = [
        {line["step"]: line["loss"] for line in read_metrics(folder / "metrics.jsonl") if "loss" in line}
        for folder in (whole, broken)
    ]
    assert curves[0] == curves[1]


def test_a_full_disk_stops_the_run_and_leaves_the_last_checkpoint_whole(tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill(step: int) -> None:
        if step == 4:
            while latest(tmp_path / "checkpoints" / "stage") is None:  # it is written in the background
                time.sleep(0.01)
            # Files may not grow beyond this any more: the system refuses, as it does when a disk is full.
            resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))

    try:
        with pytest.raises(CheckpointError, match=r"step \d+ could not be written.*step-0000002 is whole.*free space"):
            make_run(tmp_path, loop=LOOP, spoil=fill).fit()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    folder = tmp_path / "checkpoints" / "stage"
    kept = latest(folder)
    assert kept is not None and kept.name == "step-0000002"
    assert not list(folder.glob("*.tmp"))
    again = make_run(tmp_path, loop=LOOP)
    again.fit()
    assert (again.step, len(again.losses)) == (10, 8)


def test_a_checkpoint_of_an_older_version_is_refused_with_a_sentence(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoints" / "stage"
    (folder / "step-0000002").mkdir(parents=True)
    (folder / "latest").write_text("step-0000002")
    with pytest.raises(CheckpointError, match=r"step-0000002 lacks rank-0.json, an older version wrote it"):
        make_run(tmp_path, loop=LOOP).fit()


def test_the_clock_goes_on_where_it_stood(tmp_path: Path) -> None:
    first = make_run(tmp_path, loop=LoopSettings(steps=4, save_every=2), stop_after=2)
    first.record.set_clock(1000.0)
    with pytest.raises(RuntimeError, match="stopped at step 2"):
        first.fit()
    second = make_run(tmp_path, loop=LoopSettings(steps=4, record_every=1))
    second.fit()
    assert 1000 < read_metrics(tmp_path / "metrics.jsonl")[-1]["seconds"] < 1600


def test_a_source_that_knows_its_place_goes_on_from_there(tmp_path: Path) -> None:
    class Source:
        """A loader: it gives what comes next, whatever step is asked for."""

        def __init__(self, draw: object) -> None:
            self.draw, self.next, self.given = draw, 0, []

        def __call__(self, step: int) -> object:
            self.given.append(self.next)
            self.next += 1
            return self.draw(self.next - 1)

        def state_dict(self) -> dict[str, int]:
            return {"next": self.next}

        def load_state_dict(self, state: dict[str, int]) -> None:
            self.next = state["next"]

    loop = LoopSettings(steps=6, save_every=100)
    first = make_run(tmp_path, loop=loop, stop_after=3)
    first.draw = Source(first.draw)
    with pytest.raises(RuntimeError, match="stopped at step 3"):
        first.fit()
    second = make_run(tmp_path, loop=loop)
    second.draw = Source(second.draw)
    second.fit()
    assert second.draw.given == [3, 4, 5]  # the fourth batch was drawn ahead in the first run, and not used


def test_a_run_goes_on_with_other_settings_only_when_told_to(tmp_path: Path) -> None:
    keep_settings(tmp_path, LoopSettings(steps=4))
    keep_settings(tmp_path, LoopSettings(steps=4))
    with pytest.raises(SettingsError, match=r"other settings \(steps was 4, is 5\).*--change-settings"):
        keep_settings(tmp_path, LoopSettings(steps=5))
    keep_settings(tmp_path, LoopSettings(steps=5), change=True)
    keep_settings(tmp_path, LoopSettings(steps=5))
    assert "steps was 4, is 5" in (tmp_path / "settings-changed.txt").read_text()


def test_a_clock_never_runs_backwards(tmp_path: Path) -> None:
    record = Record(tmp_path / "metrics.jsonl", keep=False)
    record.set_clock(100.0)
    record.set_clock(50.0)
    assert record.seconds >= 100
