"""Where a model comes from (a folder, or the hub), where its parts go (devices), and where it is sent."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import HfApi

from vljepa.runtime import choose_device
from vljepa.weights.fetch import FILES, fetched
from vljepa.weights.folder import PARTS
from vljepa.weights.stored import INDEX, SINGLE, stored_tensors

_HUB_OPTIONS = ("revision", "token", "cache_dir", "local_files_only", "force_download", "subfolder")
_ALL = (*PARTS, "token_table")
# Kept free on each device for what is computed.
_ROOM = 2 << 30


def folder_of(name: str | os.PathLike[str], options: Mapping[str, Any], *, weights: bool = True) -> Path:
    """The folder of that name, or a copy of the repository of the hub with that name.

    Without `weights` only small files are fetched. WeightsError where neither can be had, with what to do.
    """
    unknown = sorted(options.keys() - {*_HUB_OPTIONS})
    if unknown:
        raise ValueError(f"from_pretrained({unknown[0]}=...) means nothing here: there are {', '.join(_HUB_OPTIONS)}")
    asked = {key: value for key, value in options.items() if value is not None}
    inner = asked.pop("subfolder", "")
    folder = Path(name)
    if not folder.is_dir():
        patterns = [f"{inner}/{file}" if inner else file for file in FILES]
        folder = fetched(
            str(name), asked | {"allow_patterns": patterns if weights else [p for p in patterns if "safe" not in p]}
        )
    return folder / inner if inner else folder


Device = str | int | torch.device


def places_of(
    folder: Path, device_map: Device | Mapping[str, Device] | None, *, dtype: torch.dtype | None
) -> dict[str, torch.device]:
    """The device of each part and of the token table. ValueError for a part that does not exist or has no place."""
    if device_map is None:
        return dict.fromkeys(_ALL, torch.device("cpu"))
    if device_map == "auto":
        return spread(sizes_of(folder, dtype or torch.bfloat16), free_memory())
    if not isinstance(device_map, Mapping):
        return dict.fromkeys(_ALL, _device(device_map))
    unknown = sorted(device_map.keys() - {*_ALL, ""})
    if unknown:
        raise ValueError(f"device_map names {unknown[0]!r}: a device can be given to {', '.join(_ALL)}, or '' for all")
    # The Predictor reads its words from the table, so that the two are never apart.
    given = {
        **device_map,
        "token_table": device_map.get("predictor", device_map.get("token_table", device_map.get(""))),
    }
    places = {part: given.get(part, given.get("")) for part in _ALL}
    homeless = [part for part in _ALL if places[part] is None]
    if homeless:
        raise ValueError(f"device_map gives {homeless[0]} no device: name it, or '' for all others")
    return {part: _device(place) for part, place in places.items() if place is not None}


def _device(place: Device) -> torch.device:
    return choose_device(f"cuda:{place}" if isinstance(place, int) else str(place))


def sizes_of(folder: Path, dtype: torch.dtype) -> dict[str, int]:
    """Bytes of each part in a number format."""
    sizes = dict.fromkeys(_ALL, 0)
    for name, tensor in stored_tensors(folder).items():
        sizes[name.partition(".")[0]] += torch.Size(tensor.shape).numel() * dtype.itemsize
    return sizes


def free_memory() -> dict[torch.device, int]:
    """Bytes that are free on each graphics processor."""
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return {torch.device("cuda", number): torch.cuda.mem_get_info(number)[0] - _ROOM for number in range(count)}


def spread(sizes: Mapping[str, int], free: Mapping[torch.device, int]) -> dict[str, torch.device]:
    """Each part on the first device that has room left for it, the CPU where none has; the Predictor with its table."""
    left = dict(free)
    places: dict[str, torch.device] = {}
    for group in (("x_encoder",), ("predictor", "token_table"), ("y_encoder",), ("y_decoder",)):
        size = sum(sizes[part] for part in group)
        place = next((device for device, room in left.items() if room >= size), torch.device("cpu"))
        if place in left:
            left[place] -= size
        places |= dict.fromkeys(group, place)
    return places


def replace_files(aside: Path, into: Path) -> None:
    """Move whole files to their place; weights of an earlier model that have no successor go."""
    fresh = {path.name for path in aside.iterdir()}
    for old in [*into.glob("model-*-of-*.safetensors"), into / SINGLE, into / INDEX, into / "check.json"]:
        if old.name not in fresh:
            old.unlink(missing_ok=True)
    for path in sorted(aside.iterdir()):
        path.chmod(0o644)  # safetensors keeps its files from everybody else
        os.replace(path, into / path.name)


def push_folder(
    folder: Path,
    repo_id: str,
    *,
    private: bool | None = None,
    token: str | bool | None = None,
    **commit: Any,
) -> str:
    """Upload a model folder into a repository, which is made where there is none; gives the commit's address."""
    hub = HfApi()
    repo_id = hub.create_repo(repo_id, private=private, token=token, exist_ok=True).repo_id
    commit = {"commit_message": "Upload a VL-JEPA model"} | commit
    sent = hub.upload_folder(repo_id=repo_id, folder_path=folder, token=token, allow_patterns=list(FILES), **commit)
    return str(sent.commit_url)
