"""A run's state on disk: written beside, synced, renamed, so that the last complete one always loads."""

import os
import shutil
from pathlib import Path
from typing import Any

import torch.distributed.checkpoint as dcp


def save_state(state: dict[str, Any], folder: Path, *, step: int, keep: int = 2) -> Path:
    """Write `step-N` under `folder`, then point `latest` at it and drop older ones beyond `keep`."""
    folder.mkdir(parents=True, exist_ok=True)
    final = folder / f"step-{step:07d}"
    temporary = folder / f"step-{step:07d}.tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    dcp.save(state, checkpoint_id=str(temporary), no_dist=True)
    for path in temporary.iterdir():
        _sync(path)
    shutil.rmtree(final, ignore_errors=True)
    os.replace(temporary, final)
    mark = folder / "latest.tmp"
    mark.write_text(final.name)
    _sync(mark)
    os.replace(mark, folder / "latest")
    for old in sorted(folder.glob("step-*"))[:-keep]:
        shutil.rmtree(old)
    return final


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def latest(folder: Path) -> Path | None:
    """The newest complete checkpoint, or None."""
    mark = folder / "latest"
    return folder / mark.read_text().strip() if mark.exists() else None


def load_state(state: dict[str, Any], checkpoint: Path) -> dict[str, Any]:
    """Fill `state` in place from a checkpoint; a missing key is an error."""
    dcp.load(state, checkpoint_id=str(checkpoint), no_dist=True)
    return state
