"""An X-Encoder that looks at all frames of a clip together (V-JEPA): of each frame its pixels are kept."""

from typing import Protocol, runtime_checkable

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from vljepa.models.x_encoder import AnyXEncoderSettings, XEncoder, check_side


@runtime_checkable
class JointSettings(AnyXEncoderSettings, Protocol):
    """`resolution`: the side of its square frames."""

    @property
    def resolution(self) -> int:
        """Pixels along a side."""


class JointEncoder(XEncoder):
    """`network` takes clips of normalised pixels, batch x time x 3 x height x width, and gives their tokens."""

    settings: JointSettings

    def __init__(self, settings: JointSettings, network: nn.Module) -> None:
        super().__init__()
        self.settings = settings
        self.network = network
        self.requires_grad_(False)

    @torch.no_grad()
    def features(self, pixels: Float[Tensor, "frame 3 height width"]) -> Float[Tensor, "frame kept"]:
        """The frame's own normalised pixels."""
        check_side(pixels, self.settings.resolution, kind=self.settings.kind)
        return pixels.float().flatten(1)

    def tokens(self, frames: Float[Tensor, "batch time kept"]) -> Float[Tensor, "batch token wide"]:
        """The network's tokens of all frames together."""
        side = self.settings.resolution
        pixels = rearrange(frames, "batch time (c h w) -> batch time c h w", c=3, h=side, w=side)
        return self.network(pixels.to(next(self.network.parameters()).dtype))
