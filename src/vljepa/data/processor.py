"""Clip -> what the X-Encoder takes: frames of one square size, then normalised numbers."""

import json
from dataclasses import MISSING, asdict, dataclass, fields
from typing import Any, Literal, get_args

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn.functional import interpolate

from vljepa.data.image import short_side_shape
from vljepa.data.sampling import SAMPLINGS, Sampling
from vljepa.types import Clip

Resize = Literal["short side, centre crop", "squash"]
Interpolation = Literal["bilinear", "bicubic"]
LongSide = Literal["rounded", "cut"]
Pictures = Literal["once", "middle and whole"]


@dataclass(frozen=True, kw_only=True)
class ProcessorSettings:
    """How frames become the X-Encoder's input; the defaults are EfficientNet-Lite's.

    `resolution` is the side of the square; a pixel becomes (rgb * rescale - mean) / scale, per colour.
    "squash" keeps the whole frame but not its proportions. Before the crop the short side is `short_side` long (None:
    `resolution`), and the long side in proportion, `rounded` to the nearest pixel or `cut` to the one below.
    `sampling`: which frames of a video are looked at. `pictures`: whether a picture, a clip of one frame, is one square
    or two, since a crop leaves its ends out: what the crop keeps, then all of it in the square's proportions.
    """

    resolution: int = 224
    mean: tuple[float, float, float] = (127.0, 127.0, 127.0)
    scale: tuple[float, float, float] = (128.0, 128.0, 128.0)
    resize: Resize = "short side, centre crop"
    short_side: int | None = None
    long_side: LongSide = "rounded"
    interpolation: Interpolation = "bilinear"
    rescale: float = 1.0
    sampling: Sampling = "seconds"
    pictures: Pictures = "once"

    def __post_init__(self) -> None:
        _check(asdict(self))

    @property
    def reading_size(self) -> int | None:
        """Short side that frames may have been scaled to before they come here; None: only as they were recorded.

        Scaling twice is not what scaling once is where the proportions change or the long side is cut.
        """
        return (self.short_side or self.resolution) if (self.resize, self.long_side) == _SCALED_ONCE else None


_SCALED_ONCE = ("short side, centre crop", "rounded")
_CHOICES = {
    "resize": get_args(Resize),
    "long_side": get_args(LongSide),
    "interpolation": get_args(Interpolation),
    "sampling": SAMPLINGS,
    "pictures": get_args(Pictures),
}
# Files that were written before there were more keys have these four and mean the defaults of all others.
_FIRST_KEYS = ("resolution", "mean", "scale", "resize")


def _check(values: dict[str, Any]) -> None:
    """ValueError that names the first setting whose value cannot be, from a file or from Python."""
    resolution, short_side = values["resolution"], values["short_side"]
    if type(resolution) is not int or resolution < 1:
        raise ValueError(f"processor: resolution is {resolution!r}: give a whole number of pixels above 0")
    for name, choices in _CHOICES.items():
        if values[name] not in choices:
            raise ValueError(f"processor: {name} is {values[name]!r}: choose one of {', '.join(map(repr, choices))}")
    if short_side is not None and (type(short_side) is not int or short_side < resolution):
        raise ValueError(f"processor: short_side is {short_side!r}: give at least the resolution ({resolution})")
    if values["pictures"] != "once" and values["resize"] == "squash":
        raise ValueError('processor: resize "squash" shows the whole picture already: set pictures "once"')
    _check_numbers(values)


def _check_numbers(values: dict[str, Any]) -> None:
    for name in ("mean", "scale"):
        numbers = values[name]
        if not isinstance(numbers, tuple) or len(numbers) != 3 or not all(map(_is_number, numbers)):
            raise ValueError(f"processor: {name} is {numbers!r}: give three numbers, for red, green and blue")
    for name, factors in (("scale", values["scale"]), ("rescale", (values["rescale"],))):
        if not all(_is_number(factor) and factor > 0 for factor in factors):
            raise ValueError(f"processor: {name} is {values[name]!r}: every number must be above 0")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < float("inf")


class Processor:
    """Resizes and normalises; on the device of what it is given. Written into and read from the model folder."""

    def __init__(self, settings: ProcessorSettings) -> None:
        self.settings = settings

    def frames_from_clip(self, clip: Clip) -> UInt8[Tensor, "time 3 height width"]:
        """The clip's frames as squares of `resolution`, still 8 bit: what feature caches and batches hold.

        A picture may be two squares (`pictures`), as many for every picture.
        """
        if len(clip.frames) > 1 or self.settings.pictures == "once":
            return self.squares(clip.frames)
        side, scaled = self.settings.resolution, self._scaled(clip.frames)
        return torch.cat([self._middle(scaled), self._resized(scaled, side, side)])

    def squares(self, frames: UInt8[Tensor, "time _ _ 3"]) -> UInt8[Tensor, "time 3 height width"]:
        """Each frame as one square, for those who look at the frames of a video one by one."""
        if self.settings.resize == "squash":
            side = self.settings.resolution
            return self._resized(frames.permute(0, 3, 1, 2), side, side)
        return self._middle(self._scaled(frames))

    def _scaled(self, frames: UInt8[Tensor, "time _ _ 3"]) -> UInt8[Tensor, "time 3 _ _"]:
        """In their proportions, as small as the crop needs them."""
        planes = frames.permute(0, 3, 1, 2)
        short = self.settings.short_side or self.settings.resolution
        tall, wide = short_side_shape(*planes.shape[2:], size=short, cut=self.settings.long_side == "cut")
        return self._resized(planes, tall, wide)

    def _middle(self, planes: UInt8[Tensor, "time 3 _ _"]) -> UInt8[Tensor, "time 3 height width"]:
        side = self.settings.resolution
        top, left = (planes.shape[2] - side) // 2, (planes.shape[3] - side) // 2
        return planes[:, :, top : top + side, left : left + side].contiguous()

    def pixels(self, frames: UInt8[Tensor, "time 3 height width"]) -> Float[Tensor, "time 3 height width"]:
        """The numbers that the X-Encoder reads: (rgb * rescale - mean) / scale in float32."""
        mean = torch.tensor(self.settings.mean, device=frames.device).view(1, 3, 1, 1)
        scale = torch.tensor(self.settings.scale, device=frames.device).view(1, 3, 1, 1)
        # Divided, not multiplied: x / 255 is the float32 next to the true value, x * float32(1 / 255) often is not.
        return frames.to(torch.float32, copy=True).div_(1 / self.settings.rescale).sub_(mean).div_(scale)

    def _resized(
        self, planes: UInt8[Tensor, "time 3 _ _"], tall: int, wide: int
    ) -> UInt8[Tensor, "time 3 {tall} {wide}"]:
        if planes.shape[2:] == (tall, wide):
            return planes.contiguous()
        return interpolate(planes, (tall, wide), mode=self.settings.interpolation, antialias=True).contiguous()

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
        wrong = [f"unknown {key!r}" for key in sorted(values.keys() - known)]
        wrong += [f"missing {key!r}" for key in sorted(set(_FIRST_KEYS) - values.keys())]
        if wrong:
            raise ValueError(f"processor: {', '.join(wrong)}: the keys are {', '.join(sorted(known))}")
        defaults = {field.name: field.default for field in fields(ProcessorSettings) if field.default is not MISSING}
        values = defaults | {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
        _check(values)
        for name in ("mean", "scale"):
            values[name] = tuple(map(float, values[name]))
        return cls(ProcessorSettings(**values))
