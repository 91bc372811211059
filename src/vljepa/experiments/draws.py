"""The batches of a cell, one a step, with a running hash of what they hold: arms that got the same rows prove it."""

import hashlib
import json
import time
from typing import Any

from vljepa.data.collate import Example, collate
from vljepa.experiments.settings import Cell
from vljepa.text import Tokenizer
from vljepa.training.asked import AskedRows
from vljepa.types import Batch


class Clock:
    """Seconds of training without those of scoring, of one core and by the clock, over interruptions."""

    def __init__(self) -> None:
        self._cpu = self._seconds = 0.0
        self._since: tuple[float, float] | None = None

    def go(self) -> None:
        """Training begins, or goes on."""
        self._since = (time.process_time(), time.monotonic())

    def stop(self) -> None:
        """Something else is done now."""
        taken = self.taken()
        self._cpu, self._seconds, self._since = taken["cpu_seconds"], taken["seconds"], None

    def taken(self) -> dict[str, float]:
        """What training took until now."""
        cpu, seconds = self._cpu, self._seconds
        if self._since is not None:
            cpu += time.process_time() - self._since[0]
            seconds += time.monotonic() - self._since[1]
        return {"cpu_seconds": round(cpu, 2), "seconds": round(seconds, 2)}

    def set(self, taken: dict[str, float]) -> None:
        """Go on from what an interrupted run had taken."""
        self._cpu, self._seconds = taken["cpu_seconds"], taken["seconds"]
        self.go()


class Draws:
    """`draw(step)` of a trainer. `order[n]`: hash of the first n batches; it travels with the checkpoints.

    Whoever draws another row, query or target text in any step has another hash from there on. The clock travels too,
    as it stood when the step's batch was drawn.
    """

    def __init__(
        self, rows: AskedRows, cell: Cell, *, queries: Tokenizer, texts: Tokenizer, seed: int, clock: Clock
    ) -> None:
        self._rows, self._cell, self._seed, self._clock = rows, cell, seed, clock
        self._queries, self._texts = queries, texts
        self.order: dict[int, str] = {0: ""}

    def __call__(self, step: int) -> tuple[Batch]:
        """The batch of a step."""
        rows = self._rows.rows(count=self._cell.rows, seed=self._seed, step=step)
        self.order[step + 1] = _further(self.order[step], rows)
        return (collate(rows, query_tokenizer=self._queries, target_tokenizer=self._texts),)

    def state_dict(self) -> dict[str, Any]:
        """How many batches there were, and their hash."""
        drawn = max(self.order)
        return {"drawn": drawn, "order": self.order[drawn], "taken": self._clock.taken()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on behind those batches."""
        self.order = {state["drawn"]: state["order"]}
        self._clock.set(state["taken"])


def _further(before: str, rows: list[Example]) -> str:
    told = json.dumps([before, [[row.key, row.query, row.target, list(row.negatives)] for row in rows]])
    return hashlib.sha256(told.encode()).hexdigest()
