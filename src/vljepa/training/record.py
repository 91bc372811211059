"""What a run writes down while it goes: one JSON line a measurement, one line for the person at the terminal."""

import json
import sys
import time
from pathlib import Path
from typing import Any


class Record:
    """Appends to `metrics.jsonl`; a run that goes on (`keep`) writes behind what is there.

    A step that stands twice was done twice, after an interruption between two checkpoints: the later line counts.
    """

    def __init__(self, path: Path, *, keep: bool) -> None:
        self._path = path
        if not keep:
            path.write_text("")
        self._started = time.monotonic()

    def write(self, stage: str, step: int, **values: Any) -> None:
        """One measurement."""
        line = {"stage": stage, "step": step, "seconds": round(time.monotonic() - self._started, 2), **values}
        with self._path.open("a") as file:
            file.write(json.dumps(line) + "\n")

    def say(self, text: str) -> None:
        """One line on standard error."""
        print(text, file=sys.stderr, flush=True)


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """All measurements of a run."""
    return [json.loads(line) for line in path.read_text().splitlines() if line]
