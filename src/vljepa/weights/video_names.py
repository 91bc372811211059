"""V-JEPA 2 and 2.1 as their authors keep them (facebookresearch/vjepa2): a `.pt` whose shapes say what it is.

Such a file holds tables `encoder`, `target_encoder` or `ema_encoder` and `predictor`; names may begin with `module.`
and `backbone.`. The encoder that was averaged over training is the one that is published. A `.safetensors` holds the
encoder alone. The layout was read from its source code; the published files themselves were not at hand.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from vljepa.models.vjepa2 import VJEPA2Settings
from vljepa.models.vjepa2_1 import VJEPA21Settings
from vljepa.weights.convert import WeightsError
from vljepa.weights.foreign import read_checkpoint, read_tensors, tensors_in
from vljepa.weights.keys import VJEPA2_1, VJEPA2_ORIGINAL
from vljepa.weights.tables import to_ours

TABLES = ("target_encoder", "ema_encoder", "encoder")
_HEAD_WIDTHS = {1280: 80}  # of ViT-H; all others have 64
_SIDES = re.compile(r"(?<!\d)(256|384)(?!\d)")
OriginalSettings = VJEPA2Settings | VJEPA21Settings


def encoder_table(content: Mapping[str, Any], *, name: str) -> dict[str, Tensor]:
    """The encoder's tensors of such a checkpoint without the wrappers' names. WeightsError where it holds none."""
    table = next((table for table in TABLES if table in content), None)
    if table is None:
        raise WeightsError(
            f"{name} holds none of {', '.join(TABLES)} but {', '.join(map(str, content)) or 'nothing'}: "
            "it is no checkpoint of V-JEPA 2"
        )
    found = tensors_in(content, name=name, under=table)
    plain = {re.sub(r"\b(module|backbone)\.", "", key): value for key, value in found.items()}
    if len(plain) != len(found):
        raise WeightsError(f"{name}: two tensors of {table} have the same name behind module. and backbone.")
    # Rotary positions took their place; the table is still in some files.
    plain.pop("pos_embed", None)
    return plain


def is_2_1(tensors: Mapping[str, Tensor]) -> bool:
    """Whether an encoder is of V-JEPA 2.1, by what pictures have of their own there."""
    return any(key.startswith(("patch_embed_img.", "video_mod_embed", "norms_block.")) for key in tensors)


def _read(path: Path) -> dict[str, Tensor]:
    if path.suffix == ".safetensors":
        return read_tensors(path)
    return encoder_table(read_checkpoint(path), name=str(path))


def original_tensors(path: Path, settings: OriginalSettings, wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The encoder of such a file under our names, exactly those `wanted`. WeightsError for another network."""
    tensors = _read(path)
    has, asked = ("2.1" if is_2_1(tensors) else "2"), ("2.1" if isinstance(settings, VJEPA21Settings) else "2")
    if has != asked:
        raise WeightsError(f"{path} holds V-JEPA {has}, and the settings say V-JEPA {asked}: give the other file")
    resolution_of(path, settings.resolution)
    return to_ours(VJEPA2_1 if asked == "2.1" else VJEPA2_ORIGINAL, tensors, wanted, name=str(path))


def original_settings(path: Path, *, resolution: int | None = None) -> OriginalSettings:
    """What the file's shapes say of its encoder; `resolution`, which they do not say, where its name does not either.

    WeightsError where a tensor that says it is missing, and where the number of heads cannot be known.
    """
    tensors = _read(path)
    hidden = _shape(tensors, "patch_embed.proj.bias", 1, path)[0]
    _, _, tubelet, _, patch = _shape(tensors, "patch_embed.proj.weight", 5, path)
    width = _HEAD_WIDTHS.get(hidden, 64)
    if hidden % width:
        raise WeightsError(f"{path}: no published V-JEPA 2 is {hidden} wide: how many heads it has cannot be known")
    blocks = {found[1] for key in tensors if (found := re.match(r"blocks\.(\d+)\.norm1\.", key))}
    shape: dict[str, Any] = {
        "resolution": resolution_of(path, resolution),
        "hidden": hidden,
        "intermediate": _shape(tensors, "blocks.0.mlp.fc1.bias", 1, path)[0],
        "layers": len(blocks),
        "heads": hidden // width,
        "patch": patch,
        "tubelet": tubelet,
    }
    return VJEPA21Settings(**shape) if is_2_1(tensors) else VJEPA2Settings(**shape)


def resolution_of(path: Path, asked: int | None) -> int:
    """The side of the frames: positions follow from it and no tensor does, so that the name and the wish must agree."""
    told = _SIDES.search(path.stem)
    if told is None and asked is None:
        raise WeightsError(f"{path} does not say for which frames it is: say --resolution 256 or 384")
    if told is not None and asked is not None and int(told[1]) != asked:
        raise WeightsError(f"{path} is for frames of {told[1]} pixels by its name, and {asked} were asked for")
    return asked if asked is not None else int(told[1])  # type: ignore[index]


def _shape(tensors: Mapping[str, Tensor], key: str, dimensions: int, path: Path) -> tuple[int, ...]:
    """The shape of a tensor; boxes of pixels are square."""
    if key not in tensors:
        raise WeightsError(f"{path}: tensor {key} is missing: it is no encoder of V-JEPA 2")
    shape = tuple(tensors[key].shape)
    if len(shape) != dimensions or 0 in shape or (dimensions > 1 and shape[-1] != shape[-2]):
        raise WeightsError(f"{path}: tensor {key} is {shape}: it is no encoder of V-JEPA 2")
    return shape
