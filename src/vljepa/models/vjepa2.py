"""V-JEPA 2 (Assran et al. 2025): transformers' own encoder; the names of its tensors are the published ones.

The predictor that V-JEPA 2 was pretrained with is no part of it, and is never run.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from vljepa.models.transformers_kinds import transformers


@dataclass(frozen=True, kw_only=True)
class VJEPA2Settings:
    """Shape of the encoder; `tubelet` frames become one layer of tokens, of `patch` x `patch` pixels each.

    Positions follow from `resolution`: weights for another one would run, and see everything in a wrong place.
    """

    kind: Literal["vjepa2"] = "vjepa2"
    resolution: int
    hidden: int
    intermediate: int
    layers: int
    heads: int
    patch: int = 16
    tubelet: int = 2
    norm_epsilon: float = 1e-6

    @property
    def frame_width(self) -> int:
        """Numbers that are kept of one frame: its pixels."""
        return 3 * self.resolution**2

    @property
    def token_width(self) -> int:
        """Numbers in one visual token."""
        return self.hidden


class VJEPA2(nn.Module):
    """Clips of normalised pixels in, tokens out: tubelet by tubelet, row by row."""

    def __init__(self, settings: VJEPA2Settings) -> None:
        super().__init__()
        library = transformers(settings.kind)
        from transformers.models.vjepa2.modeling_vjepa2 import VJEPA2Encoder

        self.settings = settings
        self.encoder = VJEPA2Encoder(
            library.VJEPA2Config(
                crop_size=settings.resolution,
                patch_size=settings.patch,
                tubelet_size=settings.tubelet,
                hidden_size=settings.hidden,
                mlp_ratio=settings.intermediate / settings.hidden,
                num_hidden_layers=settings.layers,
                num_attention_heads=settings.heads,
                layer_norm_eps=settings.norm_epsilon,
                attn_implementation="sdpa",
            )
        )

    def forward(self, pixels: Float[Tensor, "batch time 3 height width"]) -> Float[Tensor, "batch token wide"]:
        """The last frame is repeated until tubelets are full: a picture fills its own, and no frame is dropped."""
        missing = -pixels.shape[1] % self.settings.tubelet
        pixels = torch.cat([pixels, pixels[:, -1:].expand(-1, missing, -1, -1, -1)], dim=1)
        return self.encoder(pixels).last_hidden_state
