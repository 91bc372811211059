"""What a run writes down while it goes: one JSON line a measurement, trackers beside it, lines for the terminal.

Of several ranks the first one writes and speaks.
"""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from vljepa.runtime import rank
from vljepa.training.trackers import Tracker


class Record:
    """Appends to `metrics.jsonl`; a run that goes on (`keep`) writes behind what is there.

    A step that stands twice was done twice, after an interruption between two checkpoints: the later line counts.
    `trackers` are told the same values. `console`: where people are spoken to, standard error.
    """

    def __init__(self, path: Path, *, keep: bool, trackers: Sequence[Tracker] = ()) -> None:
        self._path, self._trackers = path, trackers
        self._speaks = rank() == 0
        if not keep and self._speaks:
            path.write_text("")
        self._started = time.monotonic()
        self.console = Console(stderr=True, quiet=not self._speaks)

    @property
    def seconds(self) -> float:
        """The run's clock: seconds since it began, without the time between an interruption and going on."""
        return time.monotonic() - self._started

    def set_clock(self, seconds: float) -> None:
        """Go on from where the clock of an interrupted run stood."""
        self._started = time.monotonic() - max(seconds, self.seconds)

    def write(self, stage: str, step: int, **values: Any) -> None:
        """One measurement."""
        if not self._speaks:
            return
        line = {"stage": stage, "step": step, "seconds": round(self.seconds, 2), **values}
        with self._path.open("a") as file:
            file.write(json.dumps(line) + "\n")
        for tracker in self._trackers:
            tracker.log(stage, step, values)

    def say(self, text: str) -> None:
        """One line on standard error."""
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def close(self) -> None:
        """Trackers send what they still hold."""
        for tracker in self._trackers:
            tracker.finish()


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """All measurements of a run."""
    return [json.loads(line) for line in path.read_text().splitlines() if line]
