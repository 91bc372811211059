"""A model is a folder: settings, weights, tokenizers, preprocessing, calibration, card. Saved whole, read strictly."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch.overrides import TorchFunctionMode

from vljepa.config import as_dict, settings_from
from vljepa.data.packages import sha256_of
from vljepa.data.processor import Processor
from vljepa.models.eight_bit import PIXELS
from vljepa.models.lite_encoder import LiteEncoderSettings
from vljepa.models.text_bodies import refuse_float16
from vljepa.models.vljepa import VLJEPA, VLJEPASettings
from vljepa.models.y_decoder import NoYDecoder
from vljepa.runtime import compute_dtype
from vljepa.text import Tokenizer, TokenizerSettings
from vljepa.weights.calibration import Calibration, of_today
from vljepa.weights.convert import WeightsError
from vljepa.weights.left_out import LeftOut
from vljepa.weights.probe import Probed, probe
from vljepa.weights.quantize import packed
from vljepa.weights.stored import (
    INDEX,
    SINGLE,
    Stored,
    check_stored,
    file,
    json_of,
    num_parameters,
    read,
    stored_tensors,
)

FORMAT = 1
SHARD_BYTES = 88_000_000
# From so many parameters on a model takes bfloat16 where nobody asks for more: in float32 it fits few machines.
BIG = 500_000_000
PARTS = ("x_encoder", "predictor", "y_encoder", "y_decoder")
CHECK = "check.json"
CPU = torch.device("cpu")
TOKENIZERS = ("query", "target", "decoder")


@dataclass(frozen=True, kw_only=True)
class FolderSettings:
    """The content of `config.json`."""

    model: VLJEPASettings
    frames: int
    format: int = FORMAT
    model_type: str = "vljepa"
    name: str = "small"
    calibration: Calibration = field(default_factory=Calibration)
    tokenizers: dict[str, TokenizerSettings] = field(default_factory=dict)
    untrained: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class CheckSettings:
    """The content of `check.json`: the weights' files, and what each part answers in a number format on a CPU."""

    dtype: str
    files: dict[str, str]
    parts: dict[str, Probed]


@dataclass(frozen=True, kw_only=True)
class Companions:
    """What a model folder holds beside the weights: how clips and strings become tensors, and back.

    `untrained`: parts with projections that are as they were drawn, whose answers would mean nothing.
    """

    processor: Processor
    query_tokenizer: Tokenizer
    target_tokenizer: Tokenizer
    decoder_tokenizer: Tokenizer
    frames: int
    name: str
    calibration: Calibration
    untrained: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Bundle(Companions):
    """An opened model folder; `parts`: those whose weights are there."""

    model: VLJEPA
    fingerprint: str
    parts: tuple[str, ...] = PARTS


def save_folder(bundle: Bundle, folder: Path, *, card: str, int8: bool = True) -> None:
    """Write beside `folder`, then rename: a folder of that name is replaced whole or not at all.

    `int8`: matrices are stored as int8 with a scale a row, the rest as bfloat16; else everything in float32.
    """
    temporary = folder.with_name(folder.name + ".tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    (temporary / "config.json").write_text(
        json.dumps(as_dict(settings_of(bundle, bundle.model.settings)), indent=1) + "\n"
    )
    save_companions(bundle, temporary)
    (temporary / "README.md").write_text(card, encoding="utf-8")
    tensors = {name: value.detach().cpu().contiguous() for name, value in bundle.model.state_dict().items()}
    if int8:
        tensors = packed(tensors, dense=("x_encoder.",))
    _save_shards(tensors, temporary)
    write_check(temporary)
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(temporary, folder)


def settings_of(companions: Companions, model: VLJEPASettings) -> FolderSettings:
    """What `config.json` says of them."""
    return FolderSettings(
        model=model,
        frames=companions.frames,
        name=companions.name,
        calibration=companions.calibration,
        untrained=companions.untrained,
        tokenizers={part: getattr(companions, f"{part}_tokenizer").settings for part in TOKENIZERS},
    )


def save_companions(companions: Companions, folder: Path) -> None:
    """Preprocessing and tokenizers, each as a file; their settings stand in `config.json`."""
    (folder / "processor_config.json").write_text(companions.processor.to_json() + "\n")
    # Query side and decoder speak the same language model's tokens: one file serves both.
    (folder / "query_tokenizer.json").write_text(companions.query_tokenizer.definition, encoding="utf-8")
    (folder / "target_tokenizer.json").write_text(companions.target_tokenizer.definition, encoding="utf-8")


def load_companions(folder: Path) -> Companions:
    """What a model folder holds beside the weights, which need not be there."""
    return Companions(**_companions(folder, _settings(folder)))


def _companions(folder: Path, settings: FolderSettings) -> dict[str, Any]:
    lost = [part for part in TOKENIZERS if part not in settings.tokenizers]
    if lost:
        raise WeightsError(f"{folder / 'config.json'} has no tokenizers.{lost[0]}: save the model together with them")
    tokenizers = {
        f"{part}_tokenizer": Tokenizer.open(file(folder / f"{name}_tokenizer.json"), settings.tokenizers[part])
        for part, name in (("query", "query"), ("target", "target"), ("decoder", "query"))
    }
    processor = Processor.from_json(file(folder / "processor_config.json").read_text(encoding="utf-8"))
    side, made = getattr(settings.model.x_encoder, "resolution", None), processor.settings.resolution
    if side not in (None, made):
        raise WeightsError(f"{folder}: its processor makes frames of {made} pixels, and its X-Encoder reads {side}")
    encoder = settings.model.x_encoder
    if isinstance(encoder, LiteEncoderSettings) and encoder.network.ranges and not _gives_levels(processor):
        raise WeightsError(
            f"{folder}: its X-Encoder has ranges for 8 bits and was made for (value - 127) / 128, its processor makes "
            "other numbers: take x_encoder.network.ranges out of config.json"
        )
    return {
        "processor": processor,
        "frames": settings.frames,
        "name": settings.name,
        "calibration": settings.calibration,
        "untrained": settings.untrained,
        **tokenizers,
    }


def _gives_levels(processor: Processor) -> bool:
    """Whether pixels are the whole numbers that `models/eight_bit.py` takes frames for."""
    told, (step, zero) = processor.settings, PIXELS
    return told.rescale == 1 and {*told.mean} == {float(zero)} and {*told.scale} == {1 / step}


def _save_shards(tensors: dict[str, torch.Tensor], folder: Path) -> None:
    shards: list[dict[str, torch.Tensor]] = [{}]
    size = 0
    for name, tensor in tensors.items():
        if size and size + tensor.nbytes > SHARD_BYTES:
            shards.append({})
            size = 0
        shards[-1][name] = tensor
        size += tensor.nbytes
    total = len(shards)
    names = [f"model-{number:05d}-of-{total:05d}.safetensors" for number in range(1, total + 1)]
    names = [SINGLE] if total == 1 else names
    for name, shard in zip(names, shards, strict=True):
        save_file(shard, folder / name, metadata={"format": "pt"})
        (folder / name).chmod(0o644)  # safetensors keeps its files from everybody else
    if total > 1:
        table = {tensor: name for name, shard in zip(names, shards, strict=True) for tensor in shard}
        index = {"metadata": {"total_size": sum(t.nbytes for t in tensors.values())}, "weight_map": table}
        (folder / INDEX).write_text(json.dumps(index, indent=0) + "\n")


def write_check(folder: Path) -> None:
    """Write down what every part of a folder answers to a fixed input, for `vljepa weights check` to compare with."""
    dtype = torch.bfloat16 if is_big(folder) else torch.float32
    bundle = load_folder(folder, dtype=dtype)
    check = CheckSettings(
        dtype=str(dtype).removeprefix("torch."),
        files={path.name: sha256_of(path) for path in sorted(folder.glob("*.safetensors"))},
        parts=probe(bundle.model, bundle.processor),
    )
    (folder / CHECK).write_text(json.dumps(as_dict(check), indent=1) + "\n")


def load_folder(
    folder: Path,
    *,
    dtype: torch.dtype = torch.float32,
    device: torch.device | Mapping[str, torch.device] = CPU,
    parts: Sequence[str] = PARTS,
) -> Bundle:
    """Open a model folder; WeightsError or SettingsError name what is missing, left over, of the wrong shape or kind.

    Weights go one by one from the files to their place, in `dtype`: at most a slab more than the model is in memory.
    `device`: one for all, or one for each part (and "token_table"). Of parts that are not in `parts` only the settings
    are there; whoever asks such a part for more gets a PartLeftOutError.
    """
    settings, stored = _settings(folder), stored_tensors(folder)
    _check_parts(parts)
    if settings.model.y_encoder.kind == "gemma3" and "y_encoder" in parts:
        refuse_float16(dtype)
    parts = [part for part in parts if part != "y_decoder" or settings.model.y_decoder is not None]
    with torch.device("meta"), Undrawn():
        model = VLJEPA(settings.model)
    wanted = dict(model.state_dict(keep_vars=True))
    check_stored(stored, wanted, name=str(folder))
    _fill(model, stored, wanted, dtype=dtype, device=device, parts=parts)
    return Bundle(
        **_companions(folder, settings),
        model=model.eval(),
        fingerprint=folder_fingerprint(folder),
        parts=tuple(parts),
    )


def opening_dtype(folder: Path, device: torch.device) -> torch.dtype:
    """The number format where nobody names one: bfloat16 for a big model, else what the device is fast in."""
    return torch.bfloat16 if is_big(folder) else compute_dtype(device)


def is_big(folder: Path) -> bool:
    """Whether the model takes bfloat16 where nobody asks for more."""
    _settings(folder)  # what is no model folder at all is told first
    return num_parameters(stored_tensors(folder)) >= BIG


def _settings(folder: Path) -> FolderSettings:
    """The content of a folder's `config.json`."""
    if not folder.is_dir():
        raise WeightsError(f"there is no model folder {folder}: give one that holds config.json and {SINGLE}")
    values = json_of(folder / "config.json")
    kind = values.get("model_type")
    if kind != FolderSettings.model_type:
        raise WeightsError(f"{folder / 'config.json'} is of a model of type {kind!r}, not vljepa: import it first")
    settings = folder_settings(values)
    if settings.format != FORMAT:
        raise WeightsError(f"{folder} has format {settings.format}, this version reads {FORMAT}: update vljepa")
    return settings


def folder_settings(values: Mapping[str, Any]) -> FolderSettings:
    """The content of a `config.json`, of this form or of an older one; SettingsError for what is in none of them."""
    told = values.get("calibration")
    today = {"calibration": of_today(told)} if isinstance(told, Mapping) else {}
    return settings_from(FolderSettings, {**values, **today})


def _check_parts(parts: Sequence[str]) -> None:
    unknown = [part for part in parts if part not in PARTS]
    if unknown or not parts:
        raise ValueError(f"parts {list(parts)} cannot be opened: choose some of {', '.join(PARTS)}")


def _fill(
    model: VLJEPA,
    stored: Mapping[str, Stored],
    wanted: Mapping[str, torch.Tensor],
    *,
    dtype: torch.dtype,
    device: torch.device | Mapping[str, torch.device],
    parts: Sequence[str],
) -> None:
    """Give every tensor of the wanted parts its numbers; the other parts make room for their absence."""
    present = {*parts, "token_table"} if {"predictor", "y_decoder"} & {*parts} else {*parts}
    for name, child in list(model.named_children()):
        if name not in present and not isinstance(child, NoYDecoder):
            setattr(model, name, LeftOut(name))
    filled: dict[str, torch.Tensor] = {}
    files: dict[Path, Any] = {}
    for name, empty in wanted.items():
        part = name.partition(".")[0]
        if part in present:
            place = device if isinstance(device, torch.device) else device[part]
            filled[name] = read(stored, name, dtype=_dtype_of(empty, dtype), device=place, files=files)
    model.load_state_dict(filled, strict=False, assign=True)
    for name in present:  # numbers that no file holds, such as rotary frequencies, go along
        getattr(model, name).to(device if isinstance(device, torch.device) else device[name])


def _dtype_of(tensor: torch.Tensor, dtype: torch.dtype) -> torch.dtype:
    """Parameters take the wanted format; statistics and token numbers, which are no parameters, keep their digits."""
    if isinstance(tensor, torch.nn.Parameter):
        return dtype
    return torch.float32 if tensor.is_floating_point() else tensor.dtype


class Undrawn(TorchFunctionMode):
    """Initial values are not drawn, not even for tensors without memory, where PyTorch loads its compiler to do so."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Functions of `torch.nn.init` leave their tensor as it is; all others do what they do."""
        given = kwargs or {}
        if getattr(func, "__module__", None) == "torch.nn.init":
            return given.get("tensor", args[0] if args else None)
        return func(*args, **given)


def folder_fingerprint(folder: Path) -> str:
    """Twelve digits over configuration, preprocessing and the weights' headers and sizes."""
    digest = hashlib.sha256()
    for name in ("config.json", "processor_config.json"):
        digest.update(file(folder / name).read_bytes())
    for path in sorted(folder.glob("*.safetensors")):
        digest.update(path.name.encode() + str(path.stat().st_size).encode())
        with path.open("rb") as content:
            digest.update(content.read(1 << 16))
            content.seek(-min(path.stat().st_size, 1 << 20), os.SEEK_END)
            digest.update(content.read())
    return digest.hexdigest()[:12]
