"""Does a model folder still compute what it computed when it was saved? Its parts, one by one, with what differs."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from vljepa.config import settings_from
from vljepa.data.packages import sha256_of
from vljepa.weights.convert import WeightsError
from vljepa.weights.folder import CHECK, CheckSettings, load_folder
from vljepa.weights.known_sizes import KnownSize, known_sizes
from vljepa.weights.probe import Probed, probe
from vljepa.weights.stored import json_of

# Largest differences between machines that are no fault: of an output's sums, in shares of its size.
TOLERANCES = {"float32": 1e-3, "bfloat16": 0.1}


@dataclass(frozen=True, kw_only=True)
class CheckedPart:
    """A part: what was found of it, published sizes of what is in it, and what differs (nothing, if all is well)."""

    name: str
    found: Probed
    wrong: tuple[str, ...]
    sizes: tuple[KnownSize, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Checked:
    """The number format that was checked in, every part, and what is wrong with the files."""

    dtype: str
    parts: tuple[CheckedPart, ...]
    wrong: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing differs."""
        return not self.wrong and not any(part.wrong for part in self.parts)


def check_folder(folder: Path, *, device: torch.device) -> Checked:
    """Open a folder strictly, run the fixed input through it and compare; WeightsError where it cannot be opened."""
    stored = _stored(folder)
    bundle = load_folder(folder, dtype=getattr(torch, stored.dtype), device=device)
    found, sizes = probe(bundle.model, bundle.processor), known_sizes(bundle.model)
    if found.keys() != stored.parts.keys():
        raise WeightsError(f"{folder / CHECK} is of a model with the parts {', '.join(stored.parts)}: write it again")
    parts = []
    for name, part in found.items():
        wrong = [str(size) for size in sizes.get(name, ()) if not size.ok]
        wrong += _differences(part, stored.parts[name], stored.dtype)
        parts.append(CheckedPart(name=name, found=part, wrong=tuple(wrong), sizes=sizes.get(name, ())))
    return Checked(dtype=stored.dtype, parts=tuple(parts), wrong=tuple(_other_files(folder, stored)))


def _stored(folder: Path) -> CheckSettings:
    if folder.is_dir() and not (folder / CHECK).exists():
        raise WeightsError(
            f"{folder} has no {CHECK}, so there is nothing to compare with: if you trust it as it is, "
            f"write one with `vljepa weights check {folder} --write`"
        )
    stored = settings_from(CheckSettings, json_of(folder / CHECK))
    if stored.dtype not in TOLERANCES:
        raise WeightsError(f"{folder / CHECK}: dtype is {stored.dtype!r}, not one of {', '.join(TOLERANCES)}")
    return stored


def _differences(found: Probed, stored: Probed, dtype: str) -> Iterator[str]:
    if found.parameters != stored.parameters:
        yield f"{found.parameters:,} parameters, not {stored.parameters:,}"
    if found.not_finite:
        yield f"{found.not_finite:,} of its parameters are NaN or infinite"
    tolerance = TOLERANCES[dtype]
    if not math.isclose(found.size, stored.size, rel_tol=tolerance):
        yield f"its output has size {found.size:.6g}, not {stored.size:.6g}"
    furthest = max((abs(one - other) for one, other in zip(found.sums, stored.sums, strict=False)), default=math.inf)
    if not furthest <= tolerance or len(found.sums) != len(stored.sums):
        yield f"its output is another one (a sum differs by {furthest:.3g}; {tolerance:g} would be rounding)"


def _other_files(folder: Path, stored: CheckSettings) -> Iterator[str]:
    there = {path.name: sha256_of(path) for path in sorted(folder.glob("*.safetensors"))}
    for name in sorted(there.keys() | stored.files.keys()):
        if name not in there:
            yield f"{name} is missing"
        elif there[name] != stored.files.get(name):
            yield f"{name} is another file than the one that was saved (sha256 {there[name][:12]}...)"
