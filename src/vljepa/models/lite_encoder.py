"""The X-Encoder of size `small`: EfficientNet-Lite on every frame, and its classifier's opinion.

Like V-JEPA 2 it joins two frames into one tubelet. A picture fills one with its two looks, or is repeated.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal

import torch
from einops import rearrange
from jaxtyping import Float, Shaped, UInt8
from torch import Tensor, nn
from torch.nn import functional

from vljepa.models.efficientnet_lite import (
    FEATURE_CHANNELS,
    NUM_CLASSES,
    EfficientNetLite,
    EfficientNetLiteSettings,
)
from vljepa.models.eight_bit import EightBit
from vljepa.models.x_encoder import ToPixels, XEncoder, frames_at_once

TUBELET = 2
TIME_WAVES = 4


@dataclass(frozen=True, kw_only=True)
class LiteEncoderSettings:
    """`cells`: a frame's maps are averaged into cells x cells; `posterior`: the classifier's opinion is told.

    Two maps are kept: the last one says what is there, the one halfway where exactly and which way it faces. Beside
    its features a token tells how they differ from the same cell's average over the clip, which is what moves. The
    opinion rides on each token, and each tubelet has one token more that holds nothing else.
    """

    kind: Literal["efficientnet_lite"] = "efficientnet_lite"
    network: EfficientNetLiteSettings = field(default_factory=EfficientNetLiteSettings)
    cells: int = 3
    posterior: bool = True

    def without_ranges(self) -> "LiteEncoderSettings":
        """The same encoder, computed in the format of its weights everywhere."""
        return replace(self, network=replace(self.network, ranges=()))

    @property
    def channels(self) -> int:
        """Numbers that are kept of one cell of one frame."""
        return FEATURE_CHANNELS + self.network.middle_channels

    @property
    def frame_width(self) -> int:
        """Numbers that are kept of one frame."""
        return self.cells * self.cells * self.channels + NUM_CLASSES

    @property
    def token_width(self) -> int:
        """Numbers in one visual token: a tubelet's features, their change, its class posterior, its place, its time."""
        return (TUBELET + 1) * self.channels + NUM_CLASSES + self.coordinates

    @property
    def coordinates(self) -> int:
        """Numbers at a token's end that tell its place and its time."""
        return 2 * self.cells + 2 * TIME_WAVES


class LiteEncoder(XEncoder):
    """EfficientNet-Lite on every frame, tubelets of two frames, a token for each cell and one for the class."""

    settings: LiteEncoderSettings
    network: EfficientNetLite
    mean: Tensor
    scale: Tensor
    classes = NUM_CLASSES

    def __init__(self, settings: LiteEncoderSettings) -> None:
        super().__init__()
        self.settings = settings
        self.network = EfficientNetLite(settings.network)
        # Measured on the training corpus: channels differ a hundredfold in spread.
        self.register_buffer("mean", torch.zeros(settings.channels))
        self.register_buffer("scale", torch.ones(settings.channels))
        self.requires_grad_(False)
        self._eight_bit = EightBit()

    def channels_last(self) -> "LiteEncoder":
        """The same encoder with the memory layout that convolutions are twice as fast in on CPUs."""
        for module in self.network.modules():
            if isinstance(module, nn.Conv2d):
                module.weight.data = module.weight.data.contiguous(memory_format=torch.channels_last)
        return self

    def features(self, pixels: Float[Tensor, "frame 3 height width"]) -> Float[Tensor, "frame kept"]:
        """What is kept of each frame by itself: cells of features, then the class posterior."""
        dtype = self.network.classifier.weight.dtype
        return self._each(pixels, lambda some: self.network.maps(some.to(dtype)))

    @property
    def in_eight_bits(self) -> bool:
        """Whether `quick_features` computes so: on a CPU that can, of a network that tells its ranges."""
        return self._eight_bit.fits(self.network)

    def quick_features(
        self, frames: UInt8[Tensor, "frame 3 height width"], pixels: ToPixels
    ) -> Float[Tensor, "frame kept"]:
        """`features` from maps in 8 bits where they can be had; their cosine with the others' is 0.99."""
        if not self.in_eight_bits:
            return self.features(pixels(frames))
        return self._each(frames, lambda some: self._eight_bit.maps(self.network, some))

    def _each(
        self, frames: Shaped[Tensor, "frame 3 height width"], maps: Callable[[Tensor], tuple[Tensor, Tensor]]
    ) -> Float[Tensor, "frame kept"]:
        some_at_once = frames.split(frames_at_once(frames.device, len(frames)))
        return torch.cat([self._kept(*maps(some)) for some in some_at_once])

    def _kept(self, last: Tensor, middle: Tensor) -> Float[Tensor, "frame kept"]:
        posterior = self.network.logits(last.to(self.network.classifier.weight.dtype)).float().softmax(-1)
        side = self.settings.cells
        cells = torch.cat([pooled_cells(last.float(), side), pooled_cells(middle.float(), side)], dim=1)
        return torch.cat([rearrange(cells, "frame channel r c -> frame (r c channel)"), posterior], dim=-1)

    def tokens(self, frames: Float[Tensor, "batch time kept"]) -> Float[Tensor, "batch token wide"]:
        """Visual tokens from kept frames; an odd frame is repeated (a picture fills its own tubelet)."""
        if frames.shape[1] % TUBELET:
            frames = torch.cat([frames, frames[:, -1:]], dim=1)
        num_cells = self.settings.cells**2
        cells, posterior = frames.split([num_cells * self.settings.channels, NUM_CLASSES], dim=-1)
        cells = rearrange(cells, "b (t two) (s c) -> b t s two c", two=TUBELET, s=num_cells)
        cells = (cells - self.mean.float()) * self.scale.float()
        change = (cells.mean(3) - cells.mean((1, 3))[:, None]) * CHANGE_GAIN
        cells = torch.cat([rearrange(cells, "b t s two c -> b t s (two c)"), change], dim=-1)
        posterior = rearrange(posterior, "b (t two) k -> b t two k", two=TUBELET).mean(2)
        posterior = posterior * POSTERIOR_GAIN if self.settings.posterior else torch.zeros_like(posterior)
        batch, tubelets = cells.shape[:2]
        # The last token has average features, which are zeros, and no place: it says the class and the time alone.
        cells = functional.pad(cells, (0, 0, 0, 1))
        spread = posterior[:, :, None].expand(batch, tubelets, num_cells + 1, NUM_CLASSES)
        place = self._places(tubelets, cells.device).to(cells.dtype).expand(batch, -1, -1, -1)
        return rearrange(torch.cat([cells, spread, place], dim=-1), "b t s width -> b (t s) width")

    def posterior(self, visual: Float[Tensor, "batch token wide"]) -> Float[Tensor, "batch classes"]:
        """The mean over the clip, in float32; zeros where the settings tell none."""
        end = self.settings.token_width - self.settings.coordinates
        return visual[..., end - NUM_CLASSES : end].float().mean(1) / POSTERIOR_GAIN

    def _places(self, tubelets: int, device: torch.device) -> Float[Tensor, "tubelet token coordinate"]:
        """Row and column as one-hot vectors (zeros for the token of the class), the tubelet's number as waves."""
        side = self.settings.cells
        number = torch.arange(side * side, device=device)
        rows = functional.one_hot(number // side, side).float()
        columns = functional.one_hot(number % side, side).float()
        waves = (
            torch.arange(tubelets, device=device)[:, None]
            * math.pi
            / 2.0 ** torch.arange(1, TIME_WAVES + 1, device=device)
        )
        time = torch.cat([waves.sin(), waves.cos()], dim=-1)
        where = functional.pad(torch.cat([rows, columns], dim=-1), (0, 0, 0, 1))[None].expand(tubelets, -1, -1)
        when = time[:, None].expand(-1, side * side + 1, -1)
        return torch.cat([where, when], dim=-1) * PLACE_GAIN


# What moves is a small part of a cell: without the gain its change is lost beside what stands still.
CHANGE_GAIN = 4.0
# Fourteen coordinates beside thousands of standardised features: without a gain nobody learns what moves where.
PLACE_GAIN = 5.0
# A posterior is mostly zeros: without the gain its part of a token is lost beside thousands of standardised features.
POSTERIOR_GAIN = 10.0


def lite(encoder: XEncoder, *, what: str) -> LiteEncoder:
    """The X-Encoder where `what` needs its cells and its classifier; ValueError for one of another kind."""
    if not isinstance(encoder, LiteEncoder):
        raise ValueError(
            f"{what} needs an X-Encoder with a picture classifier (kind efficientnet_lite), "
            f"and this model's is of kind {encoder.settings.kind}"
        )
    return encoder


def pooled_cells(
    maps: Float[Tensor, "frame channel rows columns"], side: int
) -> Float[Tensor, "frame channel side side"]:
    """Averages over side x side windows that overlap where the map does not divide evenly (7 -> 3: windows of 3)."""
    return functional.adaptive_avg_pool2d(maps, side)
