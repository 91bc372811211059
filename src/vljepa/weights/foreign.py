"""Files of other people's weights, read as numbers alone: nothing that a file says is ever run.

What a file is, its first bytes say and not its name: downloads that failed are web pages called `model.safetensors`.
"""

import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from vljepa.weights.convert import WeightsError
from vljepa.weights.stored import INDEX, SINGLE, stored_tensors

_SNIFFED = 512
_POINTER = b"version https://git-lfs"
_PICKLE = b"\x80\x02"  # torch writes protocol 2; what is of another was not written by it


def read_tensors(source: Path) -> dict[str, Tensor]:
    """All tensors of a safetensors file, or of a folder with one or with shards and their index, in their own formats.

    They stay views of the files. WeightsError where something else lies there, naming it.
    """
    if source.is_dir():
        if not (source / INDEX).is_file() and not (source / SINGLE).is_file():
            raise WeightsError(f"{source} holds neither {SINGLE} nor {INDEX}: give a folder of published weights")
        for path in sorted(source.glob("*.safetensors")):
            _expect_tensors(path)
        paths = sorted({tensor.path for tensor in stored_tensors(source).values()})
    else:
        _expect_tensors(source)
        paths = [source]
    try:
        return {name: tensor for path in paths for name, tensor in load_file(path).items()}
    except SafetensorError as error:
        raise WeightsError(f"{source} is no complete safetensors file ({error}): fetch it again") from error


def read_checkpoint(path: Path) -> Mapping[str, Any]:
    """The content of a torch checkpoint (`.pt`, `.pth`, `.ckpt`, `.bin`) that holds nothing but numbers and names.

    WeightsError for anything else, first of all for code, which is refused and not run.
    """
    begin = _begin(path)
    is_zip = begin.startswith(b"PK\x03\x04")
    if is_zip and not _is_checkpoint(path):
        raise WeightsError(f"{path} is a zip archive without a checkpoint in it: unpack it, and give what was inside")
    if not is_zip and not begin.startswith(_PICKLE):
        raise WeightsError(f"{path} is no torch checkpoint: fetch it again, or give the file that its author calls one")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=is_zip)
    except pickle.UnpicklingError as error:
        raise WeightsError(f"{path} holds more than numbers ({_reason(error)}): {ASK_FOR_NUMBERS}") from error
    except (EOFError, RuntimeError, ValueError, OSError) as error:
        raise WeightsError(f"{path} is no complete torch checkpoint ({_reason(error)}): fetch it again") from error
    if not isinstance(content, Mapping):
        raise WeightsError(f"{path} holds a {type(content).__name__}, not tensors by name: it is no checkpoint of ours")
    return content


ASK_FOR_NUMBERS = "code in it was not run and never will be; ask its author for the weights as safetensors"


def tensors_in(content: Mapping[str, Any], *, name: str, under: str = "") -> dict[str, Tensor]:
    """The tensors of a checkpoint, or of the table `under` in it. WeightsError where that is not what it holds."""
    table = content if not under else content.get(under)
    if not isinstance(table, Mapping):
        tables = ", ".join(sorted(str(key) for key, value in content.items() if isinstance(value, Mapping)))
        raise WeightsError(f"{name} holds no table {under!r}; it holds {tables or 'none at all'}: is it of this kind?")
    strange = sorted(str(key) for key, value in table.items() if not isinstance(value, Tensor))
    if strange or not table:
        raise WeightsError(f"{name}: {strange[0] + ' is' if strange else 'there are'} no tensor: is it of this kind?")
    return {str(key): value for key, value in table.items()}


def _expect_tensors(path: Path) -> None:
    """Refuse by name what is called safetensors and is something else."""
    begin = _begin(path)
    if begin[8:9] != b"{":
        kind = "a zip archive or a torch checkpoint" if begin.startswith((b"PK", _PICKLE)) else "something else"
        raise WeightsError(f"{path} is no safetensors file but {kind}: give the file in that format")


def _begin(path: Path) -> bytes:
    """The first bytes; WeightsError for what is no weights of any kind."""
    if not path.is_file():
        raise WeightsError(f"{path} is missing: give a file or a folder of published weights")
    with path.open("rb") as file:
        begin = file.read(_SNIFFED)
    if not begin:
        raise WeightsError(f"{path} is empty: fetch it again")
    if begin.startswith(_POINTER):
        raise WeightsError(f"{path} is only a pointer of Git LFS: fetch the file itself with `git lfs pull`")
    if begin.lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml", b"<head")):
        raise WeightsError(
            f"{path} is a web page, not weights: the download failed, or asked for a login; fetch it again"
        )
    return begin


def _is_checkpoint(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith("/data.pkl") or name == "data.pkl" for name in archive.namelist())
    except zipfile.BadZipFile as error:
        raise WeightsError(f"{path} is no complete torch checkpoint ({error}): fetch it again") from error


def _reason(error: BaseException) -> str:
    """The sentence of PyTorch's message that says what was found, without its advice to trust the file."""
    text = " ".join(str(error).split())
    found = text.partition("WeightsUnpickler error: ")[2] or text
    return found.partition(" Please ")[0].partition(". ")[0][:200]
