"""X-Encoder: frames in, visual tokens S_V out; frozen (paper, section 3.1) unless a last stage frees it.

This is what all kinds of it share. What it keeps of a frame (`features`) does not depend on the other frames, so
streams and caches may hold it; `tokens` puts frames together. An encoder that looks at each frame by itself keeps what
it saw; one that looks at all of them together keeps their pixels.
"""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import torch
from einops import rearrange
from jaxtyping import Float, UInt8
from torch import Tensor, nn

# Pixels and maps of more frames pass through main memory at every step (benchmarks/x_encoder.py).
CPU_FRAMES = 8

ToPixels = Callable[[Tensor], Tensor]


@runtime_checkable
class AnyXEncoderSettings(Protocol):
    """What the settings of every kind tell."""

    @property
    def kind(self) -> str:
        """Its name."""

    @property
    def frame_width(self) -> int:
        """Numbers that are kept of one frame."""

    @property
    def token_width(self) -> int:
        """Numbers in one visual token."""


class XEncoder(nn.Module):
    """`network` does the looking; `classes`: of how many classes the features end with a posterior, 0 for none."""

    settings: AnyXEncoderSettings
    network: nn.Module
    classes = 0

    def channels_last(self) -> "XEncoder":
        """The same encoder with the memory layout that its convolutions are fastest in on CPUs, if it gains by one."""
        return self

    def forward(self, pixels: Float[Tensor, "batch time 3 height width"]) -> Float[Tensor, "batch token wide"]:
        """Visual tokens of clips, in the order of time."""
        frames = self.features(rearrange(pixels, "batch time c h w -> (batch time) c h w"))
        return self.tokens(rearrange(frames, "(batch time) width -> batch time width", batch=pixels.shape[0]))

    def features(self, pixels: Float[Tensor, "frame 3 height width"]) -> Float[Tensor, "frame kept"]:
        """What is kept of each frame by itself, in float32."""
        raise NotImplementedError

    @property
    def in_eight_bits(self) -> bool:
        """Whether `quick_features` computes in numbers of 8 bits: this machine can, and the network is made for it."""
        return False

    def quick_features(
        self, frames: UInt8[Tensor, "frame 3 height width"], pixels: ToPixels
    ) -> Float[Tensor, "frame kept"]:
        """`features` in the number format that is fastest here, for those who only look; they may differ by some %.

        `pixels`: the preprocessing, for encoders that read its numbers.
        """
        return self.features(pixels(frames))

    def tokens(self, frames: Float[Tensor, "batch time kept"]) -> Float[Tensor, "batch token wide"]:
        """Visual tokens from kept frames."""
        raise NotImplementedError

    def posterior(self, visual: Float[Tensor, "batch token wide"]) -> Float[Tensor, "batch classes"]:
        """What a picture classifier believes of each clip, read back from its tokens; ValueError where none looked."""
        raise ValueError(
            f"an X-Encoder of kind {self.settings.kind} has no picture classifier: set predictor.classes 0"
        )


def check_side(pixels: Tensor, side: int, *, kind: str) -> None:
    """ValueError for frames of another size than the encoder's positions are made for."""
    if tuple(pixels.shape[-2:]) != (side, side):
        height, width = pixels.shape[-2:]
        raise ValueError(
            f"frames of {height} x {width} pixels came to a {kind} encoder of {side}: "
            "use the processor of its own folder, or weights for that size"
        )


def frames_at_once(device: torch.device, most: int) -> int:
    """How many frames should go through an encoder together, at most `most`; at least one."""
    return max(1, min(most, CPU_FRAMES) if device.type == "cpu" else most)
