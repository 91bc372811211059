"""Processes side by side: results in the order of the jobs, and nobody goes on whose parent was killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vljepa.data.parallel import in_order

PARENT = """
import os, signal, sys, time
from pathlib import Path
from vljepa.data.parallel import in_order

def work(job):
    asked = []
    if "saves" in sys.argv:  # as a training does, which then waits for the next job
        before = signal.signal(signal.SIGTERM, lambda *_: asked.append(1))
    Path(sys.argv[1]).write_text(str(os.getpid()))
    for _ in range(6000):
        time.sleep(0.1)
        if asked:
            break
    if asked:
        signal.signal(signal.SIGTERM, before)

if __name__ == "__main__":
    list(in_order(work, [0], workers=2))
"""


def _negative(number: int) -> int:
    time.sleep(0.2 if number == 0 else 0)
    return -number


def test_results_come_in_the_order_of_the_jobs() -> None:
    for workers in (1, 2):
        assert list(in_order(_negative, [0, 1, 2, 3], workers=workers)) == [(0, 0), (1, -1), (2, -2), (3, -3)]


@pytest.mark.parametrize("kind", ["", "saves"])
def test_a_worker_ends_when_its_parent_is_killed(tmp_path: Path, kind: str) -> None:
    script, told = tmp_path / "parent.py", tmp_path / "worker"
    script.write_text(PARENT)
    parent = subprocess.Popen([sys.executable, str(script), str(told), kind])
    until = time.monotonic() + 120
    while not (told.exists() and told.read_text()):
        assert parent.poll() is None and time.monotonic() < until
        time.sleep(0.05)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    while _runs(int(told.read_text())):
        assert time.monotonic() < until, "the worker goes on without its parent"
        time.sleep(0.05)


def _runs(process: int) -> bool:
    """Whether it is there and has not ended; one that nobody has waited for yet has."""
    try:
        os.kill(process, 0)
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False
