"""Tensors of a model folder: what they are from the files' headers, and their numbers, one tensor after the other.

Nothing is held twice. A tensor that is wanted as it is stored stays a view of the file (the system reads its pages when
they are used, and processes share them); any other is converted in slabs straight into its final place.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from vljepa.weights.convert import WeightsError
from vljepa.weights.quantize import SCALE_SUFFIX, restored

INDEX = "model.safetensors.index.json"
SINGLE = "model.safetensors"
SLAB_BYTES = 4 << 20
_FLOATS = {"F32": torch.float32, "BF16": torch.bfloat16, "F16": torch.float16}
_SHOWN = 20


@dataclass(frozen=True, kw_only=True)
class Stored:
    """A tensor in a file: which file, under which name, its number format in safetensors' words, its shape."""

    path: Path
    name: str
    dtype: str
    shape: tuple[int, ...]


def file(path: Path) -> Path:
    """The path of a file that a model folder must have; WeightsError where it is missing."""
    if not path.is_file():
        raise WeightsError(f"{path} is missing: this is no complete model folder")
    return path


def json_of(path: Path) -> dict[str, Any]:
    """The content of a JSON file that a model folder must have: names with values."""
    try:
        values = json.loads(file(path).read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WeightsError(f"{path} is not valid JSON ({error}): fetch it again") from error
    if not isinstance(values, dict):
        raise WeightsError(f"{path} holds no names with values, but {str(values)[:30]!r}: fetch it again")
    return values


def stored_tensors(folder: Path) -> dict[str, Stored]:
    """All tensors of a folder by name, from one file or from the shards that the index names; only headers are read."""
    index = folder / INDEX
    places = _places(index) if index.exists() else None
    found: dict[str, Stored] = {}
    for shard in sorted(set(places.values())) if places is not None else [SINGLE]:
        for tensor in _header(file(folder / shard)):
            if places is not None and places.get(tensor.name) != shard:
                raise WeightsError(f"{index} does not say that {shard} holds tensor {tensor.name}: fetch both again")
            found[tensor.name] = tensor
    lost = sorted((places or {}).keys() - found.keys())
    if lost:
        raise WeightsError(f"{index} names tensors that its files do not hold: {listed(lost)}: fetch them again")
    return found


def _places(index: Path) -> dict[str, str]:
    """Which tensor is in which file of the same folder."""
    places = json_of(index).get("weight_map")
    if not isinstance(places, dict) or not places or any(type(name) is not str for name in places.values()):
        raise WeightsError(f"{index} has no weight_map that names a file for each tensor: fetch it again")
    outside = sorted(name for name in places.values() if Path(name).name != name)
    if outside:
        raise WeightsError(f"{index} names {outside[0]}, and weights lie beside their index: fetch it again")
    return places


def _header(path: Path) -> Iterator[Stored]:
    with _opened(path) as content:
        for name in content.keys():  # noqa: SIM118  # it is no dictionary
            part = content.get_slice(name)
            yield Stored(path=path, name=name, dtype=part.get_dtype(), shape=tuple(part.get_shape()))


def _opened(path: Path) -> Any:
    try:
        return safe_open(path, framework="pt")
    except SafetensorError as error:
        raise WeightsError(f"{path} is no complete safetensors file ({error}): fetch it again") from error


def check_stored(stored: Mapping[str, Stored], wanted: Mapping[str, Tensor], *, name: str) -> None:
    """WeightsError that names the tensors that are missing, left over, of another shape or of another kind."""
    scales = {
        key for key in stored if key.endswith(SCALE_SUFFIX) and _is_packed(stored, key.removesuffix(SCALE_SUFFIX))
    }
    missing, unused = sorted(wanted.keys() - stored.keys()), sorted(stored.keys() - wanted.keys() - scales)
    if missing or unused:
        told = [
            f"{len(keys)} {what}: {listed(keys)}" for what, keys in (("missing", missing), ("unused", unused)) if keys
        ]
        raise WeightsError(f"{name}: tensors do not fit the model: {'; '.join(told)}")
    for key, tensor in wanted.items():
        found = stored[key]
        if found.shape != tuple(tensor.shape):
            raise WeightsError(f"{name}: tensor {key} is {found.shape}, the model needs {tuple(tensor.shape)}")
        if tensor.is_floating_point() and found.dtype == "I8":
            _check_scale(stored, key, name)
        elif found.dtype not in (_FLOATS if tensor.is_floating_point() else ("I64",)):
            raise WeightsError(f"{name}: tensor {key} holds {found.dtype} numbers, the model needs {tensor.dtype}")


def _is_packed(stored: Mapping[str, Stored], key: str) -> bool:
    return key in stored and stored[key].dtype == "I8"


def _check_scale(stored: Mapping[str, Stored], key: str, name: str) -> None:
    """An int8 matrix has a float32 scale for each row."""
    scale = stored.get(key + SCALE_SUFFIX)
    if scale is None:
        raise WeightsError(f"{name}: tensor {key} is int8 and its scales {key}{SCALE_SUFFIX} are missing")
    if len(stored[key].shape) != 2 or (scale.shape, scale.dtype) != (stored[key].shape[:1], "F32"):
        raise WeightsError(f"{name}: tensor {scale.name} is {scale.shape} of {scale.dtype}, one F32 a row is needed")


def listed(keys: list[str]) -> str:
    """The first names, and how many more there are."""
    more = f" and {len(keys) - _SHOWN} more" if len(keys) > _SHOWN else ""
    return ", ".join(keys[:_SHOWN]) + more


def read(
    stored: Mapping[str, Stored],
    key: str,
    *,
    dtype: torch.dtype,
    device: torch.device | None = None,
    files: dict[Path, Any] | None = None,
) -> Tensor:
    """The tensor's numbers in a number format and place; int8 is multiplied by its scales.

    `files`: opened ones, to be given again for the next tensor.
    """
    tensor = stored[key]
    if tensor.dtype == "I8":
        scale = read(stored, key + SCALE_SUFFIX, dtype=torch.float32, files=files)
    elif _FLOATS.get(tensor.dtype, torch.int64) == dtype or not tensor.shape:
        files = {} if files is None else files
        if tensor.path not in files:
            files[tensor.path] = _opened(tensor.path)
        return files[tensor.path].get_tensor(tensor.name).to(device=device, dtype=dtype)
    else:
        scale = None
    out = torch.empty(tensor.shape, dtype=dtype, device=device)
    rows = max(1, SLAB_BYTES // max(1, 4 * prod(tensor.shape[1:])))
    for first in range(0, len(out), rows):
        # Opened anew for each slab: pages that were read count as ours for as long as the file stays open.
        with _opened(tensor.path) as content:
            slab = content.get_slice(tensor.name)[first : first + rows]
            out[first : first + rows] = slab if scale is None else restored(slab, scale[first : first + rows])
        del slab
    return out


def as_stored(tensor: Stored) -> Tensor:
    """The tensor in the number format of its file, as a view of it."""
    with _opened(tensor.path) as content:
        found: Tensor = content.get_tensor(tensor.name)
    return found


def num_parameters(stored: Mapping[str, Stored]) -> int:
    """Numbers in all tensors but the scales of int8 matrices."""
    return sum(prod(tensor.shape) for key, tensor in stored.items() if not key.endswith(SCALE_SUFFIX))
