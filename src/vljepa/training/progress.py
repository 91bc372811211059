"""What a person sees while a stage trains: a bar on a terminal, a line a measurement elsewhere, and warnings."""

import sys
import time
from collections.abc import Mapping

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from vljepa.training.record import Record

# Unit vectors in random directions have spread 1, a single point has 0; sound runs stay above 0.6.
COLLAPSED = 0.1


class Display:
    """Progress of one stage on the record's console; a context."""

    def __init__(self, record: Record, *, name: str, step: int, steps: int) -> None:
        self._record, self._name, self._steps = record, name, steps
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        if record.console.is_terminal and sys.stderr.isatty():
            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
            self._bar = Progress(*columns, TextColumn("{task.fields[shown]}"), console=record.console)
            self._task = self._bar.add_task(name, total=steps, completed=step, shown="")

    def __enter__(self) -> "Display":
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, *reason: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def at(self, step: int) -> None:
        """So many steps are done."""
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=step)

    def show(self, step: int, values: Mapping[str, float | int]) -> None:
        """The newest measurement."""
        shown = "  ".join(f"{name.replace('_', ' ')} {value:.3g}" for name, value in values.items())
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, shown=shown)
        else:
            self._record.say(f"{time.strftime('%H:%M:%S')} {self._name} {step}/{self._steps}  {shown}")


class Collapse:
    """Warns once when predictions fall together into one point, with what to do about it."""

    def __init__(self, *, after: int) -> None:
        self._after = after
        self._warned = False

    def warning(self, step: int, spread: float | None) -> str:
        """A sentence, or nothing; an untrained model may begin anywhere, so the first steps are let be."""
        if spread is None or self._warned or step <= self._after or spread >= COLLAPSED:
            return ""
        self._warned = True
        return (
            f"warning: collapse at step {step}: predictions have spread {spread:.2f} (a sound run has 0.6 to 1), so "
            "all clips get nearly the same embedding. Stop, lower optim.rate or optim.y_encoder_factor, make the batch "
            "larger (loop.micro_rows lets it fit), and check that the samples' texts differ."
        )


class Speed:
    """Samples a second since it was asked last."""

    def __init__(self) -> None:
        self._samples, self._since = 0, time.perf_counter()

    def add(self, samples: int) -> None:
        """So many more went through."""
        self._samples += samples

    def take(self) -> float:
        """Samples a second; counting begins anew."""
        now = time.perf_counter()
        speed = self._samples / max(now - self._since, 1e-9)
        self._samples, self._since = 0, now
        return speed
