"""A model is a folder: settings, weights, tokenizers, preprocessing, calibration, card. Saved whole, read strictly."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch.overrides import TorchFunctionMode

from vljepa.config import as_dict, settings_from
from vljepa.data.processor import Processor
from vljepa.models.vljepa import VLJEPA, VLJEPASettings
from vljepa.text import Tokenizer, TokenizerSettings
from vljepa.weights.convert import WeightsError, load_exactly
from vljepa.weights.quantize import packed, unpacked

FORMAT = 1
SHARD_BYTES = 88_000_000
TOKENIZERS = ("query", "target", "decoder")


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """How cosines become probabilities, fitted on validation data.

    A softmax over `scale` times the cosines, with one more row at cosine `background` that stands for "none of these".
    Answers to a question live at other heights than descriptions, so they have a pair of their own.
    """

    scale: float = 20.0
    background: float = 0.3
    asked_scale: float = 20.0
    asked_background: float = 0.3


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


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """An opened model folder."""

    model: VLJEPA
    processor: Processor
    query_tokenizer: Tokenizer
    target_tokenizer: Tokenizer
    decoder_tokenizer: Tokenizer
    frames: int
    name: str
    calibration: Calibration
    fingerprint: str


def save_folder(bundle: Bundle, folder: Path, *, card: str, int8: bool = True) -> None:
    """Write beside `folder`, then rename: a folder of that name is replaced whole or not at all.

    `int8`: matrices are stored as int8 with a scale a row, the rest as bfloat16; else everything in float32.
    """
    temporary = folder.with_name(folder.name + ".tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    settings = FolderSettings(
        model=bundle.model.settings,
        frames=bundle.frames,
        name=bundle.name,
        calibration=bundle.calibration,
        tokenizers={part: getattr(bundle, f"{part}_tokenizer").settings for part in TOKENIZERS},
    )
    (temporary / "config.json").write_text(json.dumps(as_dict(settings), indent=1) + "\n")
    (temporary / "processor_config.json").write_text(bundle.processor.to_json() + "\n")
    # Query side and decoder speak the same language model's tokens: one file serves both.
    (temporary / "query_tokenizer.json").write_text(bundle.query_tokenizer.definition, encoding="utf-8")
    (temporary / "target_tokenizer.json").write_text(bundle.target_tokenizer.definition, encoding="utf-8")
    (temporary / "README.md").write_text(card, encoding="utf-8")
    tensors = {name: value.detach().cpu().contiguous() for name, value in bundle.model.state_dict().items()}
    if int8:
        tensors = packed(tensors, dense=("x_encoder.",))
    _save_shards(tensors, temporary)
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(temporary, folder)


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
    names = ["model.safetensors"] if total == 1 else names
    for name, shard in zip(names, shards, strict=True):
        save_file(shard, folder / name, metadata={"format": "pt"})
        (folder / name).chmod(0o644)  # safetensors keeps its files from everybody else
    if total > 1:
        table = {tensor: name for name, shard in zip(names, shards, strict=True) for tensor in shard}
        index = {"metadata": {"total_size": sum(t.nbytes for t in tensors.values())}, "weight_map": table}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=0) + "\n")


def load_folder(folder: Path, *, dtype: torch.dtype = torch.float32) -> Bundle:
    """Open a model folder; WeightsError or SettingsError name what is missing, left over or of the wrong shape."""
    if not folder.is_dir():
        raise WeightsError(f"there is no model folder {folder}: give one that holds config.json and model.safetensors")
    settings = settings_from(FolderSettings, _json(folder / "config.json"))
    if settings.format != FORMAT:
        raise WeightsError(f"{folder} has format {settings.format}, this version reads {FORMAT}: update vljepa")
    # Weights are filled in below: drawing random ones first would take longer than loading.
    with torch.device("meta"), _Undrawn():
        model = VLJEPA(settings.model)
    model = _materialised(model).eval()
    load_exactly(model, unpacked(load_tensors(folder)), name=str(folder))
    _convert(model, dtype)
    tokenizers = {
        part: Tokenizer.open(_file(folder / f"{file}_tokenizer.json"), settings.tokenizers[part])
        for part, file in (("query", "query"), ("target", "target"), ("decoder", "query"))
    }
    return Bundle(
        model=model,
        processor=Processor.from_json(_file(folder / "processor_config.json").read_text()),
        query_tokenizer=tokenizers["query"],
        target_tokenizer=tokenizers["target"],
        decoder_tokenizer=tokenizers["decoder"],
        frames=settings.frames,
        name=settings.name,
        calibration=settings.calibration,
        fingerprint=folder_fingerprint(folder),
    )


class _Undrawn(TorchFunctionMode):
    """Initial values are not drawn, not even for tensors without memory, where PyTorch loads its compiler to do so."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Functions of `torch.nn.init` leave their tensor as it is; all others do what they do."""
        given = kwargs or {}
        if getattr(func, "__module__", None) == "torch.nn.init":
            return given.get("tensor", args[0] if args else None)
        return func(*args, **given)


def _materialised(model: VLJEPA) -> VLJEPA:
    return model.to_empty(device="cpu")


def _convert(model: VLJEPA, dtype: torch.dtype) -> None:
    """All parts in `dtype`, but the statistics that features are standardised with keep their digits."""
    mean, scale = model.x_encoder.mean, model.x_encoder.scale
    model.to(dtype)
    model.x_encoder.mean, model.x_encoder.scale = mean, scale


def load_tensors(folder: Path) -> dict[str, torch.Tensor]:
    """All tensors of a folder as they are stored, from one file or from the shards that the index names."""
    index = folder / "model.safetensors.index.json"
    names = sorted(set(_json(index)["weight_map"].values())) if index.exists() else ["model.safetensors"]
    tensors: dict[str, torch.Tensor] = {}
    for name in names:
        path = _file(folder / name)
        try:
            tensors |= load_file(path)
        except SafetensorError as error:
            raise WeightsError(f"{path} is no complete safetensors file ({error}): fetch it again") from error
    return tensors


def folder_fingerprint(folder: Path) -> str:
    """Twelve digits over configuration, preprocessing and the weights' headers and sizes."""
    digest = hashlib.sha256()
    for name in ("config.json", "processor_config.json"):
        digest.update(_file(folder / name).read_bytes())
    for path in sorted(folder.glob("*.safetensors")):
        digest.update(path.name.encode() + str(path.stat().st_size).encode())
        with path.open("rb") as file:
            digest.update(file.read(1 << 16))
            file.seek(-min(path.stat().st_size, 1 << 20), os.SEEK_END)
            digest.update(file.read())
    return digest.hexdigest()[:12]


def _file(path: Path) -> Path:
    if not path.is_file():
        raise WeightsError(f"{path} is missing: this is no complete model folder")
    return path


def _json(path: Path) -> Any:
    try:
        return json.loads(_file(path).read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise WeightsError(f"{path} is not valid JSON ({error}): fetch it again") from error
