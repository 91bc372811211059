"""What the loop asks of a batch: how many rows it has, which samples, and that ranks have not all drawn the same."""

import json
from pathlib import Path
from typing import Any

import torch

from vljepa.config import SettingsError
from vljepa.objectives.gather import gather
from vljepa.runtime import world_size
from vljepa.types import Batch

Arguments = tuple[Any, ...]


def num_rows(arguments: Arguments) -> int:
    """Rows of an objective's arguments."""
    return len(_first(arguments))


def refuse_same_rows(name: str, arguments: Arguments, device: torch.device) -> None:
    """SettingsError where a draw gives every rank the same rows: more ranks would then learn nothing more."""
    if world_size() == 1:
        return
    marks = gather(_first(arguments).detach().to(device, torch.float64).sum().reshape(1), [1] * world_size())
    if bool((marks == marks[0]).all()):
        raise SettingsError(f"{name}: every rank drew the same rows: a draw must keep `runtime.own_share` alone")


def refuse_unlike_steps(name: str, step: int, steps: int, device: torch.device) -> None:
    """SettingsError where ranks are at different steps, or have different ones to go to: some would wait for ever."""
    if world_size() == 1:
        return
    places = gather(torch.tensor([[step, steps]], device=device), [1] * world_size())
    if bool((places != places[0]).any()):
        shown = ", ".join(f"rank {rank} at {at} of {of}" for rank, (at, of) in enumerate(places.tolist()))
        raise SettingsError(
            f"{name}: ranks do not agree on their steps ({shown}): give all one run folder and settings"
        )


def keep_samples(path: Path, arguments: Arguments, **facts: Any) -> None:
    """Write which samples a batch was made of, for the person who looks for the bad one."""
    samples = [key for argument in arguments if isinstance(argument, Batch) for key in argument.samples]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(facts | {"samples": samples}) + "\n")


def _first(arguments: Arguments) -> torch.Tensor:
    first: torch.Tensor = arguments[0].frames if isinstance(arguments[0], Batch) else arguments[0]
    return first
