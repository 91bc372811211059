"""A rank that hangs, fails or falls silent is named with its phase; under torchrun the whole job ends."""

import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from torch.distributed import HashStore

from vljepa.training.watchdog import Watchdog, broken_off

ROOT = Path(__file__).parents[2]


class Told:
    """Collects the sentence that would have ended the process."""

    def __init__(self) -> None:
        self.sentences: list[str] = []
        self.came = threading.Event()

    def __call__(self, sentence: str) -> None:
        self.sentences.append(sentence)
        self.came.set()


def watchdog(store: HashStore, rank: int, told: Told, *, patience: float = 60.0, silence: float = 60.0) -> Watchdog:
    return Watchdog(store, rank=rank, ranks=2, name="stage", patience=patience, silence=silence, every=0.02, end=told)


def test_the_rank_that_the_others_wait_for_is_named_and_not_one_that_waits() -> None:
    store, told = HashStore(), Told()
    with watchdog(store, 0, told, patience=0.5) as waits, watchdog(store, 1, told, patience=0.5) as hangs:
        waits.enter("loss", 7)
        hangs.enter("data", 7)
        assert told.came.wait(300)
    assert all("rank 1 of 2 hung in phase data of step 7" in sentence for sentence in told.sentences)


def test_a_rank_without_a_sign_of_life_is_named_with_the_place_it_was_seen_in_last() -> None:
    store, told = HashStore(), Told()
    with watchdog(store, 1, Told()) as dies:
        dies.enter("optimizer", 3)
        while not (store.check(["stage/1"]) and b"optimizer" in store.get("stage/1")):
            time.sleep(0.01)
    with watchdog(store, 0, told, silence=0.5):
        assert told.came.wait(300)
    assert "rank 1 of 2 has given no sign of life" in told.sentences[0]
    assert "last seen in phase optimizer of step 3" in told.sentences[0]


def test_a_rank_that_failed_tells_the_others_why() -> None:
    store, told = HashStore(), Told()
    with watchdog(store, 0, told):
        fails = watchdog(store, 1, Told())
        fails.enter("data", 2)
        fails.fail(ValueError("shard 7 is torn"))
        assert told.came.wait(300)
    assert told.sentences[0] == "rank 1 of 2 failed in phase data of step 2: ValueError: shard 7 is torn"


def test_ranks_that_work_are_left_alone() -> None:
    store, told = HashStore(), Told()
    with (
        watchdog(store, 0, told, patience=60.0, silence=5.0) as one,
        watchdog(store, 1, told, patience=60.0, silence=5.0) as two,
    ):
        for step in range(10):
            one.enter("loss", step)
            two.enter("data", step)
            time.sleep(0.03)
    assert not told.sentences


def test_only_an_error_of_a_collective_is_another_ranks_fault() -> None:
    assert broken_off(RuntimeError("[gloo/transport/tcp/pair.cc] Connection closed by peer"))
    assert not broken_off(RuntimeError("shape mismatch"))
    assert not broken_off(ValueError("gloo"))


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        ("hangs", "rank 1 of 2 hung in phase data of step 2"),
        ("dies", "rank 1 of 2 has given no sign of life"),
    ],
)
def test_torchrun_ends_with_a_sentence_where_a_rank(how: str, sentence: str, tmp_path: Path) -> None:
    began = time.monotonic()
    done = subprocess.run(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"),
            *(str(ROOT / "tests" / "training" / "ranked_run.py"), str(tmp_path), how),
        ],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode != 0
    ours = sentence in done.stderr and "vljepa: " in done.stderr
    # A rank that dies is seen by its launcher as well, which may be the quicker one to end the others and name it.
    theirs = how == "dies" and re.search(r"Root Cause[^\n]*\n\[0\]:\n[^\n]*\n[^\n]*\n +rank +: 1 ", done.stderr)
    assert ours or theirs, done.stderr
    assert time.monotonic() - began < 850


def test_torchrun_hands_the_documented_options_on(tmp_path: Path) -> None:
    command = next(line for line in (ROOT / "docs/training.md").read_text().splitlines() if "torchrun" in line)
    words = command.replace("--nproc-per-node 8", "--standalone --nproc-per-node 1").split()
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", *words[1:]],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert "there is no corpus corpus: build it with `vljepa prepare`" in done.stderr, done.stderr
