"""A rank that dies or hangs ends the run with a sentence that names it, instead of a silence that nobody explains.

Where one rank stands still, all others wait for it in a collective and look just as busy. So each rank tells, once a
second and beside its work, which step and phase it is in; whoever sees that a rank has gone silent, or that a phase
takes longer than it may, says whose fault it is and ends its process. torchrun then ends the others.
"""

import json
import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch.distributed import Store, TCPStore

Phase = Literal["data", "loss", "optimizer", "record", "evaluation", "checkpoint"]
# In the order of a step: of two ranks in one step, the one in the earlier phase is waited for.
PHASES: tuple[Phase, ...] = ("data", "loss", "optimizer", "record", "evaluation", "checkpoint")


class RankLost(RuntimeError):
    """A rank died or hung; the message names it and the phase of the step that it was in."""


@dataclass(frozen=True, kw_only=True)
class Beat:
    """What a rank tells of itself: a number that grows while it lives, its place, seconds there, its end's reason."""

    number: int
    step: int
    phase: Phase
    seconds: float
    failed: str = ""

    @property
    def place(self) -> tuple[int, int]:
        """How far the rank has come."""
        return self.step, PHASES.index(self.phase)


def leave(sentence: str) -> None:
    """Tell, and end this process at once: the main thread waits in a collective that nobody will ever finish."""
    print(f"vljepa: {sentence}", file=sys.stderr, flush=True)
    os._exit(1)


class Watchdog:
    """One rank's sign of life and its look at the others, through a key-value store that all of them reach.

    `patience`: seconds that a phase may take; `silence`: seconds without a sign of life after which a rank is dead.
    """

    def __init__(
        self,
        store: Store,
        *,
        rank: int,
        ranks: int,
        name: str,
        patience: float,
        silence: float = 60.0,
        every: float = 1.0,
        end: Callable[[str], None] = leave,
    ) -> None:
        self._store, self._rank, self._ranks, self._name = store, rank, ranks, name
        self._patience, self._silence, self._every, self._end = patience, silence, every, end
        self._step, self._phase, self._since = 0, PHASES[0], time.monotonic()
        self._number = 0
        self._awake, self._looked = 0.0, time.monotonic()
        self._heard: dict[int, tuple[int, float]] = {}
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)

    def __enter__(self) -> "Watchdog":
        self._since = self._looked = time.monotonic()
        self._heard = dict.fromkeys(range(self._ranks), (-1, self._awake))
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        self._stopped.set()
        self._thread.join()

    def enter(self, phase: Phase, step: int) -> None:
        """From here on this rank is in that phase."""
        self._step, self._phase, self._since = step, phase, time.monotonic()

    def fail(self, error: BaseException) -> None:
        """Tell the others that this rank leaves because of an error of its own."""
        self._stopped.set()
        self._tell(failed=f"{type(error).__name__}: {' '.join(str(error).split())}"[:300])

    def culprit(self) -> str:
        """Whose fault it is that a collective broke off: the rank that failed, or the silent one; empty if unknown.

        A connection has broken, so a few missed signs of life are enough to know which rank is no more.
        """
        enough = min(self._silence, 5 * self._every)
        until = time.monotonic() + enough + 2 * self._every
        while time.monotonic() < until:
            self._tell()
            found = self._failed() or self._silent(enough)
            if found:
                return found
            time.sleep(self._every)
        return ""

    def _run(self) -> None:
        while not self._stopped.wait(self._every):
            try:
                self._tell()
                found = self._failed() or self._silent(self._silence) or self._slow()
            except RuntimeError:  # the store is gone, and with it the rank or the launcher that held it
                found = "the store that ranks meet at is gone: the launcher, or the rank that held it, has ended"
            if found and not self._stopped.is_set():
                self._end(found)
                return

    def _tell(self, failed: str = "") -> None:
        self._number += 1
        here = [self._number, self._step, self._phase, time.monotonic() - self._since, failed]
        self._store.set(f"{self._name}/{self._rank}", json.dumps(here))

    def _beats(self) -> dict[int, Beat]:
        """The last sign of life of every rank that has given one."""
        found = {}
        for rank in range(self._ranks):
            key = f"{self._name}/{rank}"
            if self._store.check([key]):
                number, step, phase, seconds, failed = json.loads(self._store.get(key))
                found[rank] = Beat(number=number, step=step, phase=phase, seconds=seconds, failed=failed)
        return found

    def _failed(self) -> str:
        for rank, beat in self._beats().items():
            if beat.failed and rank != self._rank:
                return f"rank {rank} of {self._ranks} failed in phase {beat.phase} of step {beat.step}: {beat.failed}"
        return ""

    def _silent(self, enough: float) -> str:
        # Seconds in which this rank was awake: where the whole machine slept, nobody was heard and nobody is at fault.
        now = time.monotonic()
        self._awake += min(now - self._looked, 2 * self._every)
        self._looked, beats = now, self._beats()
        for rank in range(self._ranks):
            number = beats[rank].number if rank in beats else -1
            if number != self._heard[rank][0]:
                self._heard[rank] = (number, self._awake)
            silent = self._awake - self._heard[rank][1]
            if silent > enough and rank != self._rank:
                where = f"phase {beats[rank].phase} of step {beats[rank].step}" if rank in beats else "its start"
                return (
                    f"rank {rank} of {self._ranks} has given no sign of life for {silent:.0f} s, last seen in {where}"
                )
        return ""

    def _slow(self) -> str:
        """Of the ranks, once one has been in a phase for too long, those that have come least far."""
        beats = self._beats()
        if len(beats) < self._ranks or max(beat.seconds for beat in beats.values()) < self._patience:
            return ""
        last = min(beat.place for beat in beats.values())
        behind = [rank for rank, beat in beats.items() if beat.place == last]
        beat = beats[behind[0]]
        who = f"rank {behind[0]}" if len(behind) == 1 else f"ranks {', '.join(map(str, behind))}"
        return (
            f"{who} of {self._ranks} hung in phase {beat.phase} of step {beat.step} for {beat.seconds:.0f} s "
            f"(the limit, loop.patience, is {self._patience:.0f} s)"
        )


def broken_off(error: BaseException) -> bool:
    """Whether an error is that of a collective whose other side has gone, and so another rank's fault."""
    if isinstance(error, torch.distributed.DistError):
        return True
    return isinstance(error, RuntimeError) and any(word in str(error) for word in ("gloo", "NCCL", "Connection"))


def watch_ranks(name: str, *, rank: int, ranks: int, patience: float) -> Watchdog | None:
    """A watchdog on the store that torchrun's ranks meet at; None where there is one process or no such store."""
    if ranks == 1 or "MASTER_PORT" not in os.environ:
        return None
    # A connection of its own: the main thread may hold the other one for as long as it waits.
    store = TCPStore(os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]), is_master=False, wait_for_workers=False)
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    return Watchdog(store, rank=rank, ranks=ranks, name=f"vljepa/{attempt}/{name}", patience=patience)
