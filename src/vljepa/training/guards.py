"""What the loop asks of a batch: its rows and samples, that ranks have not all drawn the same, that enough was read."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from vljepa.config import SettingsError
from vljepa.data.loader import LoaderError
from vljepa.objectives.gather import gather
from vljepa.runtime import world_size
from vljepa.types import Batch

Arguments = tuple[Any, ...]
# A budget of one in a hundred says nothing of the first ten samples.
JUDGED_FROM = 200


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


def refuse_many_skipped(name: str, skipped: Mapping[str, int], *, seen: int, budget: float) -> None:
    """LoaderError where more samples than `budget`, a share, were skipped beside those that were seen."""
    total = sum(skipped.values())
    if total > budget * max(seen + total, JUDGED_FROM):
        reasons = ", ".join(f"{reason}: {number}" for reason, number in skipped.items())
        raise LoaderError(
            f"{name}: {total} of {seen + total} samples were skipped ({reasons}), more than skip_budget {budget:g} "
            "allows: look at the data, or raise it"
        )


def skip_counts(skipped: Mapping[str, int]) -> dict[str, int]:
    """The reasons as names of measurements."""
    return {f"skipped_{reason.replace(' ', '_')}": number for reason, number in skipped.items()}


def keep_samples(path: Path, arguments: Arguments, **facts: Any) -> None:
    """Write which samples a batch was made of, for the person who looks for the bad one."""
    samples = [key for argument in arguments if isinstance(argument, Batch) for key in argument.samples]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(facts | {"samples": samples}) + "\n")


def _first(arguments: Arguments) -> torch.Tensor:
    first: torch.Tensor = arguments[0].frames if isinstance(arguments[0], Batch) else arguments[0]
    return first
