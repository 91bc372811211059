"""Picture encoders that look at each frame by itself: CLIP, SigLIP (1 and 2), DINOv2, through transformers.

Visual tokens are the patch tokens of the last layer, frame after frame; tokens of the whole picture are left out.
Perception Encoders are towers too, of our own (`perception_encoder.py`): transformers has them only through timm.
"""

from dataclasses import dataclass
from typing import Any, Literal

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from vljepa.models.joint_encoder import JointSettings
from vljepa.models.transformers_kinds import transformers
from vljepa.models.x_encoder import XEncoder, check_side


@dataclass(frozen=True, kw_only=True)
class TowerSettings:
    """Shape of a vision transformer over patches of `patch` x `patch` pixels."""

    resolution: int
    patch: int
    hidden: int
    intermediate: int
    layers: int
    heads: int

    @property
    def patches(self) -> int:
        """Tokens of one frame."""
        return (self.resolution // self.patch) ** 2

    @property
    def frame_width(self) -> int:
        """Numbers that are kept of one frame: its tokens."""
        return self.patches * self.hidden

    @property
    def token_width(self) -> int:
        """Numbers in one visual token."""
        return self.hidden


@dataclass(frozen=True, kw_only=True)
class ClipSettings(TowerSettings):
    """CLIP's tower (Radford et al. 2021); `activation`: OpenAI's own have "quick_gelu", later ones "gelu"."""

    kind: Literal["clip"] = "clip"
    activation: str = "quick_gelu"
    norm_epsilon: float = 1e-5


@dataclass(frozen=True, kw_only=True)
class SiglipSettings(TowerSettings):
    """The tower of SigLIP, and of SigLIP 2 where it has one resolution (Zhai et al. 2023, Tschannen et al. 2025)."""

    kind: Literal["siglip"] = "siglip"
    activation: str = "gelu_pytorch_tanh"
    norm_epsilon: float = 1e-6


@dataclass(frozen=True, kw_only=True)
class Dinov2Settings(TowerSettings):
    """DINOv2 (Oquab et al. 2023): `positions` is the side that it was trained at, from which places are interpolated.

    `registers`: tokens that its later edition reads beside the patches. `swiglu`: the gated layers of the giant.
    """

    kind: Literal["dinov2"] = "dinov2"
    positions: int = 518
    registers: int = 0
    swiglu: bool = False
    norm_epsilon: float = 1e-6


class TowerEncoder(XEncoder):
    """A vision tower on every frame; `first`: where the patches begin among its tokens."""

    settings: JointSettings

    def __init__(self, settings: JointSettings, network: nn.Module, first: int) -> None:
        super().__init__()
        self.settings = settings
        self.network, self.first = network, first
        self.requires_grad_(False)

    def features(self, pixels: Float[Tensor, "frame 3 height width"]) -> Float[Tensor, "frame kept"]:
        """Each frame's patch tokens, row by row."""
        check_side(pixels, self.settings.resolution, kind=self.settings.kind)
        told = self.network(pixel_values=pixels.to(next(self.network.parameters()).dtype))
        seen = told if isinstance(told, Tensor) else told.last_hidden_state
        return seen[:, self.first :].float().flatten(1)

    def tokens(self, frames: Float[Tensor, "batch time kept"]) -> Float[Tensor, "batch token wide"]:
        """The frames' tokens, one frame after the other."""
        return rearrange(frames, "batch time (patch wide) -> batch (time patch) wide", wide=self.settings.token_width)


def tower(settings: ClipSettings | SiglipSettings | Dinov2Settings) -> tuple[nn.Module, int]:
    """transformers' own network, and where the patches begin among its tokens."""
    if isinstance(settings, Dinov2Settings):
        return _dinov2(settings)
    return _clip(settings) if isinstance(settings, ClipSettings) else _siglip(settings)


def _shape(settings: TowerSettings) -> dict[str, Any]:
    return {
        "image_size": settings.resolution,
        "patch_size": settings.patch,
        "hidden_size": settings.hidden,
        "intermediate_size": settings.intermediate,
        "num_hidden_layers": settings.layers,
        "num_attention_heads": settings.heads,
        "attn_implementation": "sdpa",
    }


def _clip(settings: ClipSettings) -> tuple[nn.Module, int]:
    library = transformers(settings.kind)
    config = library.CLIPVisionConfig(
        **_shape(settings), hidden_act=settings.activation, layer_norm_eps=settings.norm_epsilon
    )
    model = library.CLIPVisionModel(config)
    _number_places(model.embeddings, settings.patches + 1)
    model.post_layernorm = nn.Identity()  # of the class token alone
    return model, 1


def _siglip(settings: SiglipSettings) -> tuple[nn.Module, int]:
    library = transformers(settings.kind)
    config = library.SiglipVisionConfig(
        **_shape(settings),
        hidden_act=settings.activation,
        layer_norm_eps=settings.norm_epsilon,
        vision_use_head=False,
    )
    model = library.SiglipVisionModel(config)
    _number_places(model.embeddings, settings.patches)
    return model, 0


def _number_places(embeddings: nn.Module, count: int) -> None:
    """Numbers that no file holds: made where memory is, also while the model itself is made without any."""
    embeddings.position_ids = torch.arange(count, device="cpu")[None]


def _dinov2(settings: Dinov2Settings) -> tuple[nn.Module, int]:
    library = transformers(settings.kind)
    shape = _shape(settings) | {
        "image_size": settings.positions,
        "layer_norm_eps": settings.norm_epsilon,
        "use_swiglu_ffn": settings.swiglu,
        "mlp_ratio": settings.intermediate // settings.hidden,
    }
    shape.pop("intermediate_size")
    if settings.registers:
        model = library.Dinov2WithRegistersModel(
            library.Dinov2WithRegistersConfig(**shape, num_register_tokens=settings.registers)
        )
    else:
        model = library.Dinov2Model(library.Dinov2Config(**shape))
    model.embeddings.mask_token = None  # for pretraining alone
    return model, 1 + settings.registers
