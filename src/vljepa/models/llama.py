"""A stack of Llama layers: vectors in, vectors out, with the published names of its weights.

Written here because the Predictor needs it without the causal mask, the Y-Decoder with a cache, and both at once where
importing a model library takes longer than all of their work. Tests hold it against transformers' own.
"""

import math
from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn
from torch.nn import functional

from vljepa.models.rms_norm import RMSNorm

Turn = tuple[Float[Tensor, "token half"], Float[Tensor, "token half"]]


@dataclass(frozen=True, kw_only=True)
class Llama3Scaling:
    """How Llama 3 stretches rotary positions beyond `positions`: slow turns by `factor`, fast ones not at all.

    Between turns that fit `low` and `high` times into the original positions the stretch goes over smoothly.
    """

    factor: float
    low: float = 1.0
    high: float = 4.0
    positions: int = 8192


@dataclass(frozen=True, kw_only=True)
class LlamaSettings:
    """Shape of a stack of Llama layers; `layers` names which of the published model's layers it starts from.

    `head_width`: numbers in a head, None where heads share `hidden` evenly. `query_key_norm`: Qwen3's norms of them.
    """

    hidden: int
    intermediate: int
    heads: int
    key_value_heads: int
    layers: tuple[int, ...]
    rope_theta: float
    norm_epsilon: float = 1e-5
    max_positions: int = 8192
    head_width: int | None = None
    rope_scaling: Llama3Scaling | None = None
    query_key_norm: bool = False

    @property
    def width(self) -> int:
        """Numbers in a head."""
        return self.hidden // self.heads if self.head_width is None else self.head_width


@dataclass
class Cache:
    """Keys and values of the tokens that a causal stack has read, layer by layer."""

    kept: dict[int, tuple[Tensor, Tensor]] = field(default_factory=dict)

    @property
    def length(self) -> int:
        """How many tokens have been read."""
        return self.kept[0][0].shape[2] if self.kept else 0

    def extend(self, layer: int, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values of all tokens up to now."""
        if layer in self.kept:
            old_key, old_value = self.kept[layer]
            key, value = torch.cat([old_key, key], dim=2), torch.cat([old_value, value], dim=2)
        self.kept[layer] = (key, value)
        return key, value

    def select(self, rows: Int64[Tensor, "row"]) -> None:
        """Go on with these rows in this order; a row may be taken several times."""
        self.kept = {layer: (key[rows], value[rows]) for layer, (key, value) in self.kept.items()}


class Attention(nn.Module):
    """Grouped-query attention with rotary positions."""

    def __init__(self, settings: LlamaSettings, *, number: int) -> None:
        super().__init__()
        self.number = number
        self.heads, self.key_value_heads = settings.heads, settings.key_value_heads
        self.width = settings.width
        self.q_proj = nn.Linear(settings.hidden, self.heads * self.width, bias=False)
        self.k_proj = nn.Linear(settings.hidden, self.key_value_heads * self.width, bias=False)
        self.v_proj = nn.Linear(settings.hidden, self.key_value_heads * self.width, bias=False)
        self.o_proj = nn.Linear(self.heads * self.width, settings.hidden, bias=False)
        own = settings.query_key_norm
        self.q_norm = RMSNorm(self.width, epsilon=settings.norm_epsilon) if own else nn.Identity()
        self.k_norm = RMSNorm(self.width, epsilon=settings.norm_epsilon) if own else nn.Identity()

    def forward(
        self,
        x: Float[Tensor, "batch token hidden"],
        turn: Turn,
        mask: Bool[Tensor, "#batch 1 #token seen"] | None,
        cache: Cache | None,
    ) -> Float[Tensor, "batch token hidden"]:
        """What each token takes from those that `mask` lets it see; None lets it see all."""
        query = turned(self.q_norm(self.q_proj(x).unflatten(-1, (self.heads, self.width))).transpose(1, 2), turn)
        key = turned(
            self.k_norm(self.k_proj(x).unflatten(-1, (self.key_value_heads, self.width))).transpose(1, 2), turn
        )
        value = self.v_proj(x).unflatten(-1, (self.key_value_heads, self.width)).transpose(1, 2)
        if cache is not None:
            key, value = cache.extend(self.number, key, value)
        grouped = self.heads != self.key_value_heads
        seen = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask, enable_gqa=grouped)
        return self.o_proj(seen.transpose(1, 2).flatten(2))


class FeedForward(nn.Module):
    """Gated feed-forward (SwiGLU)."""

    def __init__(self, settings: LlamaSettings) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(settings.hidden, settings.intermediate, bias=False)
        self.up_proj = nn.Linear(settings.hidden, settings.intermediate, bias=False)
        self.down_proj = nn.Linear(settings.intermediate, settings.hidden, bias=False)

    def forward(self, x: Float[Tensor, "batch token hidden"]) -> Float[Tensor, "batch token hidden"]:
        """Each token by itself."""
        return self.down_proj(functional.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    """Attention, then feed-forward, each on the normalised and added to the unnormalised stream."""

    def __init__(self, settings: LlamaSettings, *, number: int) -> None:
        super().__init__()
        self.input_layernorm = RMSNorm(settings.hidden, epsilon=settings.norm_epsilon)
        self.self_attn = Attention(settings, number=number)
        self.post_attention_layernorm = RMSNorm(settings.hidden, epsilon=settings.norm_epsilon)
        self.mlp = FeedForward(settings)

    def forward(
        self,
        x: Float[Tensor, "batch token hidden"],
        turn: Turn,
        mask: Bool[Tensor, "#batch 1 #token seen"] | None,
        cache: Cache | None,
    ) -> Float[Tensor, "batch token hidden"]:
        """The stream after this layer."""
        x = x + self.self_attn(self.input_layernorm(x), turn, mask, cache)
        return x + self.mlp(self.post_attention_layernorm(x))


class Llama(nn.Module):
    """Layers and final norm without a token table: inputs are vectors."""

    def __init__(self, settings: LlamaSettings, *, causal: bool) -> None:
        super().__init__()
        self.settings = settings
        self.causal = causal
        self.layers = nn.ModuleList(Layer(settings, number=number) for number in range(len(settings.layers)))
        self.norm = RMSNorm(settings.hidden, epsilon=settings.norm_epsilon)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=0.02)

    def forward(
        self,
        x: Float[Tensor, "batch token hidden"],
        *,
        real: Bool[Tensor, "batch token"] | None = None,
        cache: Cache | None = None,
    ) -> Float[Tensor, "batch token hidden"]:
        """States of all tokens; tokens that are not `real` are seen by none. `cache`: what was read before, extended.

        ValueError for more tokens than the positions go.
        """
        read = cache.length if cache is not None else 0
        end = read + x.shape[1]
        if end > self.settings.max_positions:
            raise ValueError(f"{end} tokens are more than the {self.settings.max_positions} positions of this model")
        turn = self._turn(read, end, x)
        mask = None if real is None else real[:, None, None, :]
        if self.causal and x.shape[1] > 1:
            past = torch.ones(x.shape[1], end, dtype=torch.bool, device=x.device).tril(read)[None, None]
            mask = past if mask is None else past & mask
        for layer in self.layers:
            x = layer(x, turn, mask, cache)
        return self.norm(x)

    def through(
        self, layer: nn.Module, states: Float[Tensor, "batch token hidden"]
    ) -> Float[Tensor, "batch token hidden"]:
        """One layer, without mask and cache."""
        return layer(states, self._turn(0, states.shape[1], states), None, None)

    def _turn(self, first: int, end: int, like: Tensor) -> Turn:
        """Cosines and sines of the angles by which positions turn their queries and keys; in float32 until the end."""
        width = self.settings.width
        power = torch.arange(0, width, 2, device=like.device, dtype=torch.float32) / width
        place = torch.arange(first, end, device=like.device, dtype=torch.float32)
        slowness = self.settings.rope_theta**power
        if self.settings.rope_scaling is not None:
            slowness = stretched(slowness, self.settings.rope_scaling)
        angles = place[:, None] / slowness
        return angles.cos().to(like.dtype), angles.sin().to(like.dtype)


def stretched(slowness: Float[Tensor, "half"], scaling: Llama3Scaling) -> Float[Tensor, "half"]:
    """Positions for each radian of a turn, as Llama 3 stretches them."""
    fits = scaling.positions / (2 * math.pi * slowness)
    kept = ((fits - scaling.low) / (scaling.high - scaling.low)).clamp(0, 1)
    return slowness / ((1 - kept) / scaling.factor + kept)


def turned(x: Float[Tensor, "batch head token width"], turn: Turn) -> Float[Tensor, "batch head token width"]:
    """Rotary positions (Su et al. 2021): the first half of each head's numbers is turned against the second."""
    cosine, sine = turn
    first, second = x.chunk(2, dim=-1)
    return torch.cat([first * cosine - second * sine, second * cosine + first * sine], dim=-1)
