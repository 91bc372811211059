"""V-JEPA 2.1: a video encoder whose published weights transformers cannot open (facebookresearch/vjepa2, MIT).

It differs from V-JEPA 2 in four places: pictures have a patch embedding of their own (one frame deep), a learned vector
says which of the two a token came from, four norms stand for one (the last is the output's, the others served its
training), and rotary positions are interleaved and stretched to the grid of 256 pixels whatever the resolution.
Module names are the published ones.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

Turns = tuple[Float[Tensor, "token width"], Float[Tensor, "token width"]]
ROTARY_BASE = 10_000.0
PRETRAINED_SIDE = 256
NUM_NORMS = 4


@dataclass(frozen=True, kw_only=True)
class VJEPA21Settings:
    """Shape of the encoder; the defaults are ViT-L's. `resolution` is the side of the frames in pixels."""

    kind: Literal["vjepa2_1"] = "vjepa2_1"
    hidden: int = 1024
    intermediate: int = 4096
    layers: int = 24
    heads: int = 16
    resolution: int = 384
    patch: int = 16
    tubelet: int = 2
    norm_epsilon: float = 1e-6

    def __post_init__(self) -> None:
        if self.resolution % self.patch or self.resolution < 2 * self.patch:
            raise ValueError(f"resolution {self.resolution} is no multiple of {self.patch} pixels, two patches or more")
        if self.hidden % self.heads:
            raise ValueError(f"{self.heads} heads do not divide a width of {self.hidden}")

    @property
    def grid(self) -> int:
        """Patches along one side of a frame."""
        return self.resolution // self.patch

    @property
    def token_width(self) -> int:
        """Numbers in one visual token."""
        return self.hidden

    @property
    def frame_width(self) -> int:
        """Numbers that are kept of one frame: its pixels."""
        return 3 * self.resolution**2


def vit_b() -> VJEPA21Settings:
    """`vjepa2_1_vitb_dist_vitG_384`."""
    return VJEPA21Settings(hidden=768, intermediate=3072, layers=12, heads=12)


def vit_l() -> VJEPA21Settings:
    """`vjepa2_1_vitl_dist_vitG_384`."""
    return VJEPA21Settings()


def vit_g() -> VJEPA21Settings:
    """`vjepa2_1_vitg_384`."""
    return VJEPA21Settings(hidden=1408, intermediate=6144, layers=40, heads=22)


def vit_gigantic() -> VJEPA21Settings:
    """`vjepa2_1_vitG_384`."""
    return VJEPA21Settings(hidden=1664, intermediate=8192, layers=48, heads=26)


class PatchEmbedding(nn.Module):
    """A box of pixels becomes a token: `depth` frames of patch x patch."""

    def __init__(self, settings: VJEPA21Settings, *, depth: int) -> None:
        super().__init__()
        box = (depth, settings.patch, settings.patch)
        self.proj = nn.Conv3d(3, settings.hidden, kernel_size=box, stride=box)

    def forward(self, pixels: Float[Tensor, "batch time 3 height width"]) -> Float[Tensor, "batch token hidden"]:
        """Tokens frame by frame, row by row."""
        boxes = self.proj(rearrange(pixels, "batch time c h w -> batch c time h w"))
        return rearrange(boxes, "batch hidden t h w -> batch (t h w) hidden")


class Attention(nn.Module):
    """Attention whose queries and keys are turned by the token's time, row and column."""

    def __init__(self, settings: VJEPA21Settings) -> None:
        super().__init__()
        self.heads = settings.heads
        self.qkv = nn.Linear(settings.hidden, 3 * settings.hidden)
        self.proj = nn.Linear(settings.hidden, settings.hidden)

    def forward(self, x: Float[Tensor, "batch token hidden"], turns: Turns) -> Float[Tensor, "batch token hidden"]:
        """What each token takes from all others."""
        query, key, value = rearrange(
            self.qkv(x), "b n (three heads w) -> three b heads n w", three=3, heads=self.heads
        )
        seen = functional.scaled_dot_product_attention(turned(query, turns), turned(key, turns), value)
        return self.proj(rearrange(seen, "b heads n w -> b n (heads w)"))


class FeedForward(nn.Module):
    """Two linear layers with GELU between them."""

    def __init__(self, settings: VJEPA21Settings) -> None:
        super().__init__()
        self.fc1 = nn.Linear(settings.hidden, settings.intermediate)
        self.fc2 = nn.Linear(settings.intermediate, settings.hidden)

    def forward(self, x: Float[Tensor, "batch token hidden"]) -> Float[Tensor, "batch token hidden"]:
        """Each token by itself."""
        return self.fc2(functional.gelu(self.fc1(x)))


class Block(nn.Module):
    """Attention, then feed-forward, each on the normalised and added to the unnormalised stream."""

    def __init__(self, settings: VJEPA21Settings) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(settings.hidden, eps=settings.norm_epsilon)
        self.attn = Attention(settings)
        self.norm2 = nn.LayerNorm(settings.hidden, eps=settings.norm_epsilon)
        self.mlp = FeedForward(settings)

    def forward(self, x: Float[Tensor, "batch token hidden"], turns: Turns) -> Float[Tensor, "batch token hidden"]:
        """The stream after this block."""
        x = x + self.attn(self.norm1(x), turns)
        return x + self.mlp(self.norm2(x))


class VJEPA21(nn.Module):
    """Normalised pixels in, visual tokens out: 2 frames x 16 x 16 pixels each, or 1 x 16 x 16 of a picture."""

    def __init__(self, settings: VJEPA21Settings) -> None:
        super().__init__()
        self.settings = settings
        self.patch_embed = PatchEmbedding(settings, depth=settings.tubelet)
        self.patch_embed_img = PatchEmbedding(settings, depth=1)
        self.img_mod_embed = nn.Parameter(torch.zeros(1, 1, settings.hidden))
        self.video_mod_embed = nn.Parameter(torch.zeros(1, 1, settings.hidden))
        self.blocks = nn.ModuleList(Block(settings) for _ in range(settings.layers))
        # The first three are kept so that an exported checkpoint is the one that was imported.
        self.norms_block = nn.ModuleList(
            nn.LayerNorm(settings.hidden, eps=settings.norm_epsilon) for _ in range(NUM_NORMS)
        )

    def forward(self, pixels: Float[Tensor, "batch time 3 height width"]) -> Float[Tensor, "batch token hidden"]:
        """Visual tokens; one frame is a picture, and of more the last is repeated until tubelets are full.

        ValueError for frames of another size than the settings': positions would be wrong without anybody being told.
        """
        frames, side = pixels.shape[1], self.settings.resolution
        if pixels.shape[-2:] != (side, side):
            tall, wide = pixels.shape[-2:]
            raise ValueError(f"frames of {tall} x {wide} pixels: this V-JEPA 2.1 reads {side} x {side}, resize them")
        picture = frames == 1
        embed, kind = (
            (self.patch_embed_img, self.img_mod_embed) if picture else (self.patch_embed, self.video_mod_embed)
        )
        missing = 0 if picture else -frames % self.settings.tubelet
        pixels = torch.cat([pixels, pixels[:, -1:].expand(-1, missing, -1, -1, -1)], dim=1)
        x = embed(pixels) + kind
        turns = self._turns(x.shape[1] // self.settings.grid**2, x)
        for block in self.blocks:
            x = block(x, turns)
        return self.norms_block[-1](x)

    def _turns(self, depth: int, x: Float[Tensor, "batch token hidden"]) -> Turns:
        """Cosines and sines by which each token's heads are turned, for time, row and column one after the other."""
        grid = self.settings.grid
        # Rows and columns are stretched to the grid that the positions were learned on.
        stretch = (PRETRAINED_SIDE // self.settings.patch - 1) / (grid - 1)
        place = torch.arange(depth * grid * grid, device=x.device)
        time, row, column = place // grid**2, place // grid % grid, place % grid
        width = 2 * (self.settings.hidden // self.settings.heads // 3 // 2)
        frequency = ROTARY_BASE ** -(torch.arange(width // 2, device=x.device) / (width / 2))
        angles = [axis[:, None] * frequency for axis in (time.float(), row * stretch, column * stretch)]
        angle = torch.cat([each.repeat_interleave(2, dim=-1) for each in angles], dim=-1)
        return angle.cos().to(x.dtype), angle.sin().to(x.dtype)


def turned(x: Float[Tensor, "batch head token wide"], turns: Turns) -> Float[Tensor, "batch head token wide"]:
    """Neighbouring numbers turned against each other; what is left of a head beyond the three axes stays as it is."""
    cosine, sine = turns
    moved, still = x[..., : cosine.shape[-1]], x[..., cosine.shape[-1] :]
    pairs = moved.unflatten(-1, (-1, 2))
    crossed = torch.stack([-pairs[..., 1], pairs[..., 0]], dim=-1).flatten(-2)
    return torch.cat([moved * cosine + crossed * sine, still], dim=-1)
