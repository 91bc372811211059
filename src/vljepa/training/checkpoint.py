"""A run's state on disk: written aside in the background, synced, renamed, so that the last whole one always loads.

`step-0000040/` holds what all ranks share (torch.distributed.checkpoint, which loads on any number of ranks) and
`rank-N.json` with what each has for itself, such as its loader's position. `latest` names the newest and changes last.
"""

import json
import os
import shutil
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.distributed.checkpoint as dcp
from torch.distributed import ProcessGroup

from vljepa.runtime import rank, world_size


class CheckpointError(RuntimeError):
    """A checkpoint that could not be written or read; the message says why and which one is whole."""


@dataclass(kw_only=True)
class Saver:
    """Writes the checkpoints of one stage, one at a time, while training goes on.

    Every rank has one, and all call each method at the same step. `keep`: how many whole checkpoints stay.
    """

    folder: Path
    keep: int = 2
    _pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "checkpoint"))
    _pending: Future[None] | None = None
    _group: ProcessGroup | None = None

    def __post_init__(self) -> None:
        if world_size() > 1:
            # Of its own, since writing gathers in the background while the loop's collectives go on.
            self._group = torch.distributed.new_group(backend="gloo")

    def save(self, state: dict[str, Any], own: dict[str, Any], *, step: int) -> None:
        """Copy `state` and begin to write it; waits for the one before. `own`: this rank's values, for JSON."""
        self.wait()
        temporary = self.folder / f"{_name(step)}.tmp"
        try:
            if rank() == 0:
                shutil.rmtree(temporary, ignore_errors=True)
                temporary.mkdir(parents=True)
        except OSError as error:
            raise self._failure(step, error) from error
        self._meet()
        copied: Any = dcp.async_save(
            state,
            checkpoint_id=str(temporary),
            process_group=self._group,
            no_dist=self._group is None,
        )
        self._pending = self._pool.submit(self._finish, copied, own, temporary, step)

    def wait(self) -> None:
        """Until nothing is being written; CheckpointError where writing failed."""
        if self._pending is not None:
            pending, self._pending = self._pending, None
            pending.result()

    def check(self) -> None:
        """CheckpointError where the one that is being written has failed already."""
        if self._pending is not None and self._pending.done():
            self.wait()

    def close(self) -> None:
        """Wait for the last one and end the thread."""
        try:
            self.wait()
        finally:
            self._pool.shutdown()

    def _finish(self, written: Future[Any], own: dict[str, Any], temporary: Path, step: int) -> None:
        """In the background: each rank's own values; then, on the first rank, sync and rename."""
        problem: BaseException | None = None
        try:
            written.result()
            _write(temporary / f"rank-{rank()}.json", json.dumps(own | {"ranks": world_size()}))
        except (dcp.api.CheckpointException, OSError, RuntimeError) as error:
            problem = error
        if self._anywhere(problem is not None):
            if rank() == 0:
                shutil.rmtree(temporary, ignore_errors=True)
            raise self._failure(step, problem or CheckpointError("another rank could not write its part"))
        if rank() == 0:
            try:
                self._publish(temporary, step)
            except OSError as error:
                raise self._failure(step, error) from error

    def _publish(self, temporary: Path, step: int) -> None:
        for path in temporary.iterdir():
            _sync(path)
        _sync(temporary)
        final = self.folder / _name(step)
        shutil.rmtree(final, ignore_errors=True)
        os.replace(temporary, final)
        _write(self.folder / "latest.tmp", final.name)
        os.replace(self.folder / "latest.tmp", self.folder / "latest")
        _sync(self.folder)
        for old in sorted(path for path in self.folder.glob("step-*") if path.suffix != ".tmp")[: -self.keep]:
            shutil.rmtree(old)

    def _meet(self) -> None:
        if self._group is not None:
            torch.distributed.barrier(self._group)

    def _anywhere(self, here: bool) -> bool:
        """Whether something is true on any rank."""
        if self._group is None:
            return here
        flag = torch.tensor([float(here)])
        torch.distributed.all_reduce(flag, group=self._group)
        return bool(flag)

    def _failure(self, step: int, error: BaseException) -> CheckpointError:
        whole = latest(self.folder)
        kept = f"{whole.name} is whole, and the same command goes on from there" if whole else "there is none before it"
        return CheckpointError(
            f"the checkpoint of step {step} could not be written to {self.folder} ({_reason(error)}): {kept}; "
            "free space on that disk first"
        )


def latest(folder: Path) -> Path | None:
    """The newest complete checkpoint, or None."""
    mark = folder / "latest"
    return folder / mark.read_text().strip() if mark.exists() else None


def load_state(state: dict[str, Any], checkpoint: Path) -> dict[str, Any]:
    """Fill `state` in place from a checkpoint of any number of ranks; a missing key is an error."""
    dcp.load(state, checkpoint_id=str(checkpoint), no_dist=world_size() == 1)
    return state


def load_own(checkpoint: Path) -> dict[str, Any]:
    """What this rank had for itself, or the first rank had where the run goes on with more; `ranks`: how many saved."""
    path, first = (checkpoint / f"rank-{number}.json" for number in (rank(), 0))
    if not first.exists():
        raise CheckpointError(
            f"{checkpoint} lacks rank-0.json, an older version wrote it: begin the stage in a new run"
        )
    own: dict[str, Any] = json.loads((path if path.exists() else first).read_text())
    return own


def _name(step: int) -> str:
    return f"step-{step:07d}"


def _write(path: Path, text: str) -> None:
    """A text file that is on the disk when this returns."""
    with path.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _reason(error: BaseException) -> str:
    """The system's own words where they are somewhere inside, else the first line."""
    if isinstance(error, dcp.api.CheckpointException):
        inner = next((wrapped[0] for wrapped in error.failures.values()), error)
        return _reason(inner) if inner is not error else str(error)
    if isinstance(error, OSError):
        return error.strerror or str(error)
    cause = error.__cause__ or error.__context__
    return _reason(cause) if cause is not None else str(error).splitlines()[0]
