"""Published preprocessing (transformers' JSON files) as our settings, without torchvision and without transformers.

VJEPA2VideoProcessor, CLIPImageProcessor and SiglipImageProcessor, also under the names of their variants. What such a
file asks for and we would not do is an error that names the key: other pixels make other features, silently.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vljepa.data.processor import Interpolation, ProcessorSettings
from vljepa.data.sampling import Sampling

# Where repositories keep it, newest way first; the newest nests it under what it processes.
FILES = ("video_preprocessor_config.json", "preprocessor_config.json", "processor_config.json")
_NESTED = ("video_processor", "image_processor")
_TYPE_KEYS = ("video_processor_type", "image_processor_type", "feature_extractor_type")
_INTERPOLATIONS: Mapping[int, Interpolation] = {2: "bilinear", 3: "bicubic"}  # Pillow's numbers
_STEPS = ("do_resize", "do_rescale", "do_normalize", "do_convert_rgb")

# What a class does where its file is silent.
_CLASSES: Mapping[str, Mapping[str, Any]] = {
    "VJEPA2VideoProcessor": {
        "resample": 2,
        "image_mean": [0.485, 0.456, 0.406],
        "image_std": [0.229, 0.224, 0.225],
        "crop_size": 256,
        "do_center_crop": True,
    },
    "CLIPImageProcessor": {
        "resample": 3,
        "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_std": [0.26862954, 0.26130258, 0.27577711],
        "size": {"shortest_edge": 224},
        "crop_size": 224,
        "do_center_crop": True,
    },
    "SiglipImageProcessor": {
        "resample": 3,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
        "size": {"height": 224, "width": 224},
        "do_center_crop": False,
    },
}


def read_published_processor(folder: Path, *, sampling: Sampling = "linspace, rounded") -> ProcessorSettings:
    """The settings in the folder's preprocessing file. ValueError where there is none, or one that we cannot follow."""
    for name in FILES:
        path = folder / name
        if path.is_file():
            try:
                values = json.loads(path.read_text(encoding="utf-8"))
            except json.JSONDecodeError as error:
                raise ValueError(f"{path} is not JSON ({error}): fetch it again") from error
            if not isinstance(values, dict):
                raise ValueError(f"{path} holds no names with values, but {str(values)[:30]!r}: fetch it again")
            nested = next((values[key] for key in _NESTED if isinstance(values.get(key), dict)), values)
            return published_processor(nested, name=str(path), sampling=sampling)
    raise ValueError(f"{folder} has no preprocessing file ({', '.join(FILES)}): fetch the whole model")


def published_processor(
    values: Mapping[str, Any], *, name: str, sampling: Sampling = "linspace, rounded"
) -> ProcessorSettings:
    """The settings that the content of such a file asks for; `name` is for messages. ValueError names a key."""
    kind = _kind(values, name)
    asked = {**_CLASSES[kind], **{key: value for key, value in values.items() if value is not None}}
    off = [step for step in _STEPS if not asked.get(step, True)]
    if off:
        raise ValueError(f"{name}: {off[0]} is off, and frames of any size and range are no input here: switch it on")
    if asked["resample"] not in _INTERPOLATIONS:
        raise ValueError(f"{name}: resample is {asked['resample']!r}, and only 2 (bilinear) and 3 (bicubic) are known")
    return ProcessorSettings(
        **_geometry(kind, asked, name),
        mean=_colours(asked, name, "image_mean"),
        scale=_colours(asked, name, "image_std"),
        interpolation=_INTERPOLATIONS[asked["resample"]],
        rescale=asked.get("rescale_factor", 1 / 255),
        sampling=sampling,
    )


def _kind(values: Mapping[str, Any], name: str) -> str:
    said = next((str(values[key]) for key in _TYPE_KEYS if key in values), "")
    # CLIPImageProcessorFast and the like resize with other code of the same definition.
    kind = re.sub(r"(Fast|Pil)$", "", said).replace("FeatureExtractor", "ImageProcessor")
    if kind not in _CLASSES:
        raise ValueError(f"{name}: preprocessing {said or '(unnamed)'} is none of {', '.join(_CLASSES)}")
    return kind


def _geometry(kind: str, asked: Mapping[str, Any], name: str) -> dict[str, Any]:
    """How the square is made: scaled whole, or a crop of the middle after the short side was scaled."""
    if not asked["do_center_crop"]:
        size = _sides(asked["size"], name, "size")
        return {"resolution": _square(size, name, "size"), "resize": "squash"}
    crop = _square(_sides(asked["crop_size"], name, "crop_size"), name, "crop_size")
    if kind == "VJEPA2VideoProcessor":  # whatever the file says of the size
        return {"resolution": crop, "short_side": int(crop * 256 / 224), "long_side": "cut"}
    size = asked["size"]
    short = size if isinstance(size, int) else size.get("shortest_edge")
    if not isinstance(short, int) or short < crop:
        raise ValueError(f"{name}: size is {size!r}: a crop of {crop} needs a shortest_edge of at least that")
    return {"resolution": crop, "short_side": short, "long_side": "cut"}


def _colours(asked: Mapping[str, Any], name: str, key: str) -> tuple[float, float, float]:
    try:
        red, green, blue = map(float, asked[key])
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name}: {key} is {asked[key]!r}: give three numbers, for red, green and blue") from error
    return red, green, blue


def _sides(size: Any, name: str, key: str) -> tuple[Any, Any]:
    if isinstance(size, int):
        return size, size
    if isinstance(size, Mapping) and {"height", "width"} <= size.keys():
        return size["height"], size["width"]
    raise ValueError(f"{name}: {key} is {size!r}: give height and width")


def _square(sides: tuple[Any, Any], name: str, key: str) -> int:
    if sides[0] != sides[1]:
        raise ValueError(f"{name}: {key} is {sides[0]} x {sides[1]}, and only squares are known here")
    return int(sides[0])
