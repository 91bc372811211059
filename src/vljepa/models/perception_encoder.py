"""Perception Encoder (Bolya et al. 2025): the vision tower of PE-Core, PE-Lang and PE-Spatial, under published names.

A plain vision transformer but for three things: learned places are added to the patches and rotary ones turn queries
and keys too, a norm stands before the first layer, and later editions scale what each layer adds. Attention pooling and
the projection into the space of texts follow what is here, and have no use.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from vljepa.models.tower import TowerSettings
from vljepa.models.vjepa2_1 import ROTARY_BASE, Turns, turned


@dataclass(frozen=True, kw_only=True)
class PerceptionSettings(TowerSettings):
    """`class_token`: one stands before the patches. `scaled`: what layers add is scaled (Lang, Spatial). `last_norm`: a
    norm follows the last layer (Core)."""

    kind: Literal["perception_encoder"] = "perception_encoder"
    class_token: bool = True
    scaled: bool = False
    last_norm: bool = True
    norm_epsilon: float = 1e-5

    def __post_init__(self) -> None:
        if self.resolution % self.patch:
            raise ValueError(f"resolution {self.resolution} is no multiple of patches of {self.patch} pixels")
        if self.hidden % (4 * self.heads):
            raise ValueError(f"{self.heads} heads of four numbers or more do not divide a width of {self.hidden}")


class Attention(nn.Module):
    """Attention whose queries and keys are turned by the patch's column and row."""

    def __init__(self, settings: PerceptionSettings) -> None:
        super().__init__()
        self.heads = settings.heads
        self.in_proj_weight = nn.Parameter(torch.zeros(3 * settings.hidden, settings.hidden))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * settings.hidden))
        self.out_proj = nn.Linear(settings.hidden, settings.hidden)

    def forward(self, x: Float[Tensor, "batch token hidden"], turns: Turns) -> Float[Tensor, "batch token hidden"]:
        """What each token takes from all others."""
        joined = functional.linear(x, self.in_proj_weight, self.in_proj_bias)
        query, key, value = rearrange(joined, "b n (three heads w) -> three b heads n w", three=3, heads=self.heads)
        seen = functional.scaled_dot_product_attention(turned(query, turns), turned(key, turns), value)
        return self.out_proj(rearrange(seen, "b heads n w -> b n (heads w)"))


class Scale(nn.Module):
    """A learned factor for each number of a token (LayerScale, Touvron et al. 2021)."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(hidden))

    def forward(self, x: Float[Tensor, "batch token hidden"]) -> Float[Tensor, "batch token hidden"]:
        """Each token by itself."""
        return x * self.gamma


class FeedForward(nn.Module):
    """Two linear layers with GELU between them."""

    def __init__(self, settings: PerceptionSettings) -> None:
        super().__init__()
        self.c_fc = nn.Linear(settings.hidden, settings.intermediate)
        self.c_proj = nn.Linear(settings.intermediate, settings.hidden)

    def forward(self, x: Float[Tensor, "batch token hidden"]) -> Float[Tensor, "batch token hidden"]:
        """Each token by itself."""
        return self.c_proj(functional.gelu(self.c_fc(x)))


class Block(nn.Module):
    """Attention, then feed-forward, each on the normalised and added to the unnormalised stream."""

    def __init__(self, settings: PerceptionSettings) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(settings.hidden, eps=settings.norm_epsilon)
        self.attn = Attention(settings)
        self.ls_1 = Scale(settings.hidden) if settings.scaled else nn.Identity()
        self.ln_2 = nn.LayerNorm(settings.hidden, eps=settings.norm_epsilon)
        self.mlp = FeedForward(settings)
        self.ls_2 = Scale(settings.hidden) if settings.scaled else nn.Identity()

    def forward(self, x: Float[Tensor, "batch token hidden"], turns: Turns) -> Float[Tensor, "batch token hidden"]:
        """The stream after this block."""
        x = x + self.ls_1(self.attn(self.ln_1(x), turns))
        return x + self.ls_2(self.mlp(self.ln_2(x)))


class PerceptionEncoder(nn.Module):
    """Normalised pictures in, tokens out: the class token where there is one, then patches row by row."""

    def __init__(self, settings: PerceptionSettings) -> None:
        super().__init__()
        self.settings, hidden = settings, settings.hidden
        self.grid = settings.resolution // settings.patch
        self.conv1 = nn.Conv2d(3, hidden, kernel_size=settings.patch, stride=settings.patch, bias=False)
        if settings.class_token:
            self.class_embedding = nn.Parameter(torch.zeros(hidden))
        self.positional_embedding = nn.Parameter(torch.zeros(settings.class_token + self.grid**2, hidden))
        self.ln_pre = nn.LayerNorm(hidden, eps=settings.norm_epsilon)
        self.transformer = nn.ModuleDict({"resblocks": nn.ModuleList(Block(settings) for _ in range(settings.layers))})
        self.ln_post = nn.LayerNorm(hidden, eps=settings.norm_epsilon) if settings.last_norm else nn.Identity()

    def forward(self, pixel_values: Float[Tensor, "batch 3 side side"]) -> Float[Tensor, "batch token hidden"]:
        """Tokens after the last layer."""
        x = rearrange(self.conv1(pixel_values), "batch hidden row column -> batch (row column) hidden")
        if self.settings.class_token:
            x = torch.cat([self.class_embedding.expand(len(x), 1, -1), x], dim=1)
        x = self.ln_pre(x + self.positional_embedding)
        turns = self._turns(x)
        for block in self.transformer["resblocks"].children():
            x = block(x, turns)
        return self.ln_post(x)

    def _turns(self, x: Float[Tensor, "batch token hidden"]) -> Turns:
        """Cosines and sines by which each token's heads are turned: columns their first half, rows the second.

        A class token stands at (0, 0), and the patches begin at (1, 1) then.
        """
        first = int(self.settings.class_token)
        place = torch.arange(self.grid**2, device=x.device)
        axes = [functional.pad(axis + first, (first, 0)) for axis in (place % self.grid, place // self.grid)]
        half = self.settings.hidden // self.settings.heads // 2
        frequency = ROTARY_BASE ** -(torch.arange(0, half, 2, device=x.device) / half)
        angle = torch.cat([(axis[:, None] * frequency).repeat_interleave(2, dim=-1) for axis in axes], dim=-1)
        return angle.cos().to(x.dtype), angle.sin().to(x.dtype)
