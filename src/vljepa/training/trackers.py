"""Where measurements may go besides `metrics.jsonl`, which is always written: three services, one small protocol.

None of them is needed to train or to read a run; each is an extra (`pip install 'vljepa[tensorboard]'`).
"""

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from vljepa.config import SettingsError, as_dict, meant
from vljepa.runtime import rank


@runtime_checkable
class Tracker(Protocol):
    """Takes measurements as they come."""

    def log(self, stage: str, step: int, values: Mapping[str, float | int]) -> None:
        """One measurement; steps begin anew with each stage."""

    def finish(self) -> None:
        """Send what is still held back."""


class TensorBoard:
    """Event files in the run's folder: `tensorboard --logdir RUN`."""

    def __init__(self, run: Path, settings: Mapping[str, Any]) -> None:
        _package("tensorboard", "tensorboard")
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(run / "tensorboard"))
        self._writer.add_text("settings", f"```\n{settings}\n```")

    def log(self, stage: str, step: int, values: Mapping[str, float | int]) -> None:
        """A curve for each value of each stage."""
        for name, value in values.items():
            self._writer.add_scalar(f"{stage}/{name}", value, step)

    def finish(self) -> None:
        """Close the event file."""
        self._writer.close()


class Logbook:
    """trackio and wandb, which share their calls; both have one line of steps for a whole run, so stages bring theirs.

    trackio keeps a file on this machine; wandb sends to its service unless WANDB_MODE=offline.
    """

    def __init__(self, package: str, run: Path, settings: Mapping[str, Any]) -> None:
        self._book = _package(package, package)
        self._book.init(project="vljepa", name=run.name, config=dict(settings))

    def log(self, stage: str, step: int, values: Mapping[str, float | int]) -> None:
        """The values under their stage's name, with the stage's step among them."""
        self._book.log({f"{stage}/{name}": value for name, value in values.items()} | {f"{stage}/step": step})

    def finish(self) -> None:
        """End the run."""
        self._book.finish()


def _package(name: str, extra: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise SettingsError(
            f"tracker {name} needs a package that is not here: pip install 'vljepa[{extra}]'"
        ) from error


TRACKERS = ("tensorboard", "trackio", "wandb")


def open_trackers(names: Sequence[str], run: Path, settings: Any) -> list[Tracker]:
    """The named trackers for a run with these settings; on the first rank alone.

    SettingsError for a name that is none of them, and where a package is missing.
    """
    for name in names:
        if name not in TRACKERS:
            raise SettingsError(f"there is no tracker {name}{meant(name, TRACKERS)}")
    if rank() > 0:
        return []
    known = as_dict(settings)
    return [TensorBoard(run, known) if name == "tensorboard" else Logbook(name, run, known) for name in names]
