"""Perception Encoders as their authors keep them (facebookresearch/perception_models): a `.pt` whose shapes say all.

Such a file holds tensors by name, or a table `state_dict` or `weights` of them; names may begin with `module.`. In
PE-Core's the vision tower's names begin with `visual.` and its text side stands beside it. A `.safetensors` of the same
names is read as well. The layout was read from its source code; the published files themselves were not at hand.
"""

import math
import re
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from vljepa.models.perception_encoder import PerceptionSettings
from vljepa.weights.convert import WeightsError
from vljepa.weights.foreign import read_checkpoint, read_tensors, tensors_in
from vljepa.weights.keys import PERCEPTION
from vljepa.weights.tables import to_ours

_TABLES = ("state_dict", "weights")
_VISUAL = "visual."
# The text side of PE-Core.
_TEXT = re.compile(
    r"transformer\..*|token_embedding\.weight|positional_embedding|ln_final\..*|text_projection|logit_scale|attn_mask"
)
_HEAD_WIDTHS = {1536: 96}  # of the giant; all others have 64


def is_perception(path: Path) -> bool:
    """Whether a file holds a Perception Encoder, by the names in it. WeightsError for what is no file of weights."""
    content = read_tensors(path) if path.suffix == ".safetensors" else read_checkpoint(path)
    inner = next((content[table] for table in _TABLES if table in content), content)
    names = map(str, inner) if isinstance(inner, Mapping) else ()
    return any("resblocks." in name or name.endswith("conv1.weight") for name in names)


def perception_settings(path: Path, *, resolution: int | None = None) -> PerceptionSettings:
    """What the file's shapes say of its tower. WeightsError where a tensor that says it is missing, for another kind of
    network, and where another `resolution` is asked for than its places are made for.
    """
    tensors = _vision(path)
    hidden, _, _, patch = _shape(tensors, "conv1.weight", 4, path)
    width = _HEAD_WIDTHS.get(hidden, 64)
    if hidden % width:
        raise WeightsError(f"{path}: no Perception Encoder has a conv1.weight of {hidden}: its heads cannot be known")
    blocks = {found[1] for key in tensors if (found := re.match(r"transformer\.resblocks\.(\d+)\.", key))}
    places, has_class = _shape(tensors, "positional_embedding", 2, path)[0], "class_embedding" in tensors
    grid = math.isqrt(places - has_class)
    if grid**2 != places - has_class:
        told = "with" if has_class else "without"
        raise WeightsError(f"{path}: positional_embedding has {places} places, no square {told} class_embedding")
    side = grid * patch
    if resolution not in (None, side):
        raise WeightsError(f"{path} is for frames of {side} pixels, and --resolution {resolution} was asked for")
    return PerceptionSettings(
        resolution=side,
        patch=patch,
        hidden=hidden,
        intermediate=_shape(tensors, "transformer.resblocks.0.mlp.c_fc.bias", 1, path)[0],
        layers=len(blocks),
        heads=hidden // width,
        class_token=has_class,
        scaled=any(".ls_" in key for key in tensors),
        last_norm=any(key.startswith("ln_post.") for key in tensors),
    )


def perception_tensors(path: Path, wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tower of such a file under our names, exactly those `wanted`."""
    return to_ours(PERCEPTION, _vision(path), wanted, name=str(path))


def _vision(path: Path) -> dict[str, Tensor]:
    """The tower's tensors without the wrappers' names. WeightsError for what is of neither side."""
    tensors = _tensors(path)
    if not any(key.startswith(_VISUAL) for key in tensors):
        return tensors
    strange = sorted(key for key in tensors if not key.startswith(_VISUAL) and not _TEXT.fullmatch(key))
    if strange:
        raise WeightsError(f"{path}: tensors do not fit the model: unused: {', '.join(strange)}")
    return {key.removeprefix(_VISUAL): tensor for key, tensor in tensors.items() if key.startswith(_VISUAL)}


def _tensors(path: Path) -> dict[str, Tensor]:
    if path.suffix == ".safetensors":
        return read_tensors(path)
    content = read_checkpoint(path)
    found = tensors_in(content, name=str(path), under=next((table for table in _TABLES if table in content), ""))
    return {key.removeprefix("module."): tensor for key, tensor in found.items()}


def _shape(tensors: Mapping[str, Tensor], key: str, dimensions: int, path: Path) -> tuple[int, ...]:
    """The shape of a tensor; patches are square."""
    if key not in tensors:
        raise WeightsError(f"{path}: tensor {key} is missing: it is no Perception Encoder")
    shape = tuple(tensors[key].shape)
    if len(shape) != dimensions or 0 in shape or (dimensions == 4 and shape[-1] != shape[-2]):
        raise WeightsError(f"{path}: tensor {key} is {shape}: it is no Perception Encoder")
    return shape
