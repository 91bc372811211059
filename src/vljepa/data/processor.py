"""Clip -> what the X-Encoder takes: frames of one square size, then normalised numbers."""

import json
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn.functional import interpolate

from vljepa.data.image import short_side_shape
from vljepa.types import Clip

Resize = Literal["short side, centre crop", "squash"]
_RESIZES: tuple[Resize, ...] = ("short side, centre crop", "squash")


@dataclass(frozen=True, kw_only=True)
class ProcessorSettings:
    """How frames become the X-Encoder's input; the defaults are EfficientNet-Lite's.

    `resolution` is the side of the square; a pixel becomes (rgb - mean) / scale, per colour, on the scale 0..255.
    "squash" keeps the whole frame but not its proportions.
    """

    resolution: int = 224
    mean: tuple[float, float, float] = (127.0, 127.0, 127.0)
    scale: tuple[float, float, float] = (128.0, 128.0, 128.0)
    resize: Resize = "short side, centre crop"

    def __post_init__(self) -> None:
        _check(asdict(self))


def _check(values: dict[str, Any]) -> None:
    """ValueError that names the first setting whose value cannot be, from a file or from Python."""
    resolution, resize = values["resolution"], values["resize"]
    if type(resolution) is not int or resolution < 1:
        raise ValueError(f"processor: resolution is {resolution!r}: give a whole number of pixels above 0")
    if resize not in _RESIZES:
        raise ValueError(f"processor: resize is {resize!r}: choose one of {', '.join(map(repr, _RESIZES))}")
    for name in ("mean", "scale"):
        numbers = values[name]
        if not isinstance(numbers, tuple) or len(numbers) != 3 or not all(map(_is_number, numbers)):
            raise ValueError(f"processor: {name} is {numbers!r}: give three numbers, for red, green and blue")
    if not all(number > 0 for number in values["scale"]):
        raise ValueError(f"processor: scale is {values['scale']!r}: every number must be above 0")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < float("inf")


class Processor:
    """Resizes and normalises; on the device of what it is given. Written into and read from the model folder."""

    def __init__(self, settings: ProcessorSettings) -> None:
        self.settings = settings

    def frames_from_clip(self, clip: Clip) -> UInt8[Tensor, "time 3 height width"]:
        """The clip's frames as squares of `resolution`, still 8 bit: what feature caches and batches hold."""
        planes = clip.frames.permute(0, 3, 1, 2)
        side = self.settings.resolution
        if self.settings.resize == "squash":
            return _resized(planes, side, side)
        tall, wide = short_side_shape(planes.shape[2], planes.shape[3], size=side)
        top, left = (tall - side) // 2, (wide - side) // 2
        return _resized(planes, tall, wide)[:, :, top : top + side, left : left + side].contiguous()

    def pixels(self, frames: UInt8[Tensor, "time 3 height width"]) -> Float[Tensor, "time 3 height width"]:
        """The numbers that the X-Encoder reads: (rgb - mean) / scale in float32."""
        mean = torch.tensor(self.settings.mean, device=frames.device).view(1, 3, 1, 1)
        scale = torch.tensor(self.settings.scale, device=frames.device).view(1, 3, 1, 1)
        return (frames.to(torch.float32) - mean) / scale

    def to_json(self) -> str:
        """The settings as the text of the processor file."""
        return json.dumps(asdict(self.settings), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Processor":
        """The processor of such a text. ValueError for text that is no JSON object, and for unknown or missing keys."""
        try:
            values = json.loads(text)
        except json.JSONDecodeError as error:
            raise ValueError(f"processor: the file is not JSON ({error}): restore it") from error
        if not isinstance(values, dict):
            raise ValueError("processor: the file holds no JSON object: restore it")
        known = {field.name for field in fields(ProcessorSettings)}
        if values.keys() != known:
            wrong = [f"unknown {key!r}" for key in sorted(values.keys() - known)]
            wrong += [f"missing {key!r}" for key in sorted(known - values.keys())]
            raise ValueError(f"processor: {', '.join(wrong)}: the keys are {', '.join(sorted(known))}")
        values = {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
        _check(values)
        for name in ("mean", "scale"):
            values[name] = tuple(map(float, values[name]))
        return cls(ProcessorSettings(**values))


def _resized(planes: UInt8[Tensor, "time 3 _ _"], tall: int, wide: int) -> UInt8[Tensor, "time 3 {tall} {wide}"]:
    if planes.shape[2:] == (tall, wide):
        return planes.contiguous()
    return interpolate(planes, (tall, wide), mode="bilinear", antialias=True).contiguous()
