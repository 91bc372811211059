"""Bodies of Y-Encoders beside BERT: EmbeddingGemma's and MPNet's by transformers, Qwen3-Embedding's by our Llama.

Each takes token numbers and which of them are real and gives a state for each token. `embeddings` holds what stays
frozen, `layers` what is alike, and `through` runs one of them, for who plans memory.
"""

from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from vljepa.models.llama import Llama, LlamaSettings
from vljepa.models.transformers_kinds import transformers

States = Float[Tensor, "batch token hidden"]


@dataclass(frozen=True, kw_only=True)
class Gemma3Settings:
    """EmbeddingGemma (Google 2025): Gemma 3 whose tokens see both ways, each layer's near ones but every sixth's all.

    `window`: how far near ones go in both directions together, as published. `dense`: width between its two linear
    heads, 0 to leave these out.
    """

    kind: Literal["gemma3"] = "gemma3"
    vocab: int
    hidden: int
    intermediate: int
    layers: int
    heads: int
    key_value_heads: int
    head_width: int
    shared: int
    dense: int = 0
    pooling: Literal["mean"] = "mean"
    window: int = 512
    pattern: int = 6
    rope_theta: float = 1_000_000.0
    near_rope_theta: float = 10_000.0
    query_scale: int = 256
    norm_epsilon: float = 1e-6
    max_positions: int = 2048


@dataclass(frozen=True, kw_only=True)
class MPNetSettings:
    """MPNet (Song et al. 2020), as in all-mpnet-base-v2; its padding token is number 1."""

    kind: Literal["mpnet"] = "mpnet"
    vocab: int
    hidden: int
    intermediate: int
    layers: int
    heads: int
    shared: int
    dense: Literal[0] = 0
    pooling: Literal["mean"] = "mean"
    max_positions: int = 514
    buckets: int = 32
    norm_epsilon: float = 1e-5


@dataclass(frozen=True, kw_only=True)
class Qwen3Settings:
    """Qwen3-Embedding (Zhang et al. 2025): a causal language model; its last token has read the whole text."""

    kind: Literal["qwen3"] = "qwen3"
    llama: LlamaSettings
    vocab: int
    shared: int
    dense: Literal[0] = 0
    pooling: Literal["last"] = "last"

    @property
    def hidden(self) -> int:
        """Numbers in a token's state."""
        return self.llama.hidden


class Gemma3(nn.Module):
    """Gemma 3's trunk, bidirectional; never in float16, where its activations overflow."""

    def __init__(self, settings: Gemma3Settings) -> None:
        super().__init__()
        library = transformers(settings.kind)
        config = library.Gemma3TextConfig(
            vocab_size=settings.vocab,
            hidden_size=settings.hidden,
            intermediate_size=settings.intermediate,
            num_hidden_layers=settings.layers,
            num_attention_heads=settings.heads,
            num_key_value_heads=settings.key_value_heads,
            head_dim=settings.head_width,
            sliding_window=settings.window,
            sliding_window_pattern=settings.pattern,
            rope_parameters={
                "full_attention": {"rope_type": "default", "rope_theta": settings.rope_theta},
                "sliding_attention": {"rope_type": "default", "rope_theta": settings.near_rope_theta},
            },
            query_pre_attn_scalar=settings.query_scale,
            rms_norm_eps=settings.norm_epsilon,
            max_position_embeddings=settings.max_positions,
            use_bidirectional_attention=True,
            attn_implementation="sdpa",
        )
        self.network = library.Gemma3TextModel(config)
        # Numbers that no file holds: made where memory is, also while the model itself is made without any.
        self._turn_from(torch.device("cpu"))
        self.network.embed_tokens.embed_scale = torch.tensor(settings.hidden**0.5, device="cpu")

    def _turn_from(self, device: torch.device) -> None:
        from transformers.models.gemma3.modeling_gemma3 import Gemma3RotaryEmbedding

        with torch.device(device):
            self.network.rotary_emb = Gemma3RotaryEmbedding(self.network.config)

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        """To another device or number format, in which rotary frequencies would blur far positions: they stay."""
        moved = super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        self._turn_from(self.network.embed_tokens.weight.device)
        return moved

    @property
    def embeddings(self) -> nn.Module:
        """The token table."""
        return self.network.embed_tokens

    @property
    def layers(self) -> nn.ModuleList:
        """The layers."""
        return self.network.layers

    def forward(self, ids: Int64[Tensor, "batch token"], real: Bool[Tensor, "batch token"]) -> States:
        """States of all tokens; those that are not `real` are seen by none. ValueError in float16."""
        refuse_float16(self.network.embed_tokens.weight.dtype)
        return self.network(input_ids=ids, attention_mask=real.long(), use_cache=False).last_hidden_state

    def through(self, layer: nn.Module, states: States) -> States:
        """One layer, without padding."""
        places = torch.arange(states.shape[1], device=states.device)[None]
        turn = self.network.rotary_emb(states, places, "full_attention")
        return layer(states, position_embeddings=turn, attention_mask=None, position_ids=places)


def refuse_float16(dtype: torch.dtype) -> None:
    """ValueError for float16, in which Gemma's activations overflow."""
    if dtype == torch.float16:
        raise ValueError(
            "EmbeddingGemma (a Y-Encoder of kind gemma3) overflows in float16: open it in bfloat16 or float32"
        )


class MPNet(nn.Module):
    """MPNet's encoder, without the pooler, a left-over of pretraining."""

    def __init__(self, settings: MPNetSettings) -> None:
        super().__init__()
        library = transformers(settings.kind)
        config = library.MPNetConfig(
            vocab_size=settings.vocab,
            hidden_size=settings.hidden,
            intermediate_size=settings.intermediate,
            num_hidden_layers=settings.layers,
            num_attention_heads=settings.heads,
            max_position_embeddings=settings.max_positions,
            relative_attention_num_buckets=settings.buckets,
            layer_norm_eps=settings.norm_epsilon,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
        )
        self.network = library.MPNetModel(config, add_pooling_layer=False)
        self.network.embeddings.position_ids = torch.arange(settings.max_positions, device="cpu")[None]

    @property
    def embeddings(self) -> nn.Module:
        """Words and places."""
        return self.network.embeddings

    @property
    def layers(self) -> nn.ModuleList:
        """The layers."""
        return self.network.encoder.layer

    def forward(self, ids: Int64[Tensor, "batch token"], real: Bool[Tensor, "batch token"]) -> States:
        """States of all tokens; those that are not `real` are seen by none."""
        return self.network(input_ids=ids, attention_mask=real.long()).last_hidden_state

    def through(self, layer: nn.Module, states: States) -> States:
        """One layer, without padding."""
        return layer(states, None, self.network.encoder.compute_position_bias(states))[0]


class Qwen3(nn.Module):
    """A token table and causal layers."""

    def __init__(self, settings: Qwen3Settings) -> None:
        super().__init__()
        self.embeddings = nn.Embedding(settings.vocab, settings.hidden)
        self.stack = Llama(settings.llama, causal=True)

    @property
    def layers(self) -> nn.ModuleList:
        """The layers."""
        return self.stack.layers

    def forward(self, ids: Int64[Tensor, "batch token"], real: Bool[Tensor, "batch token"]) -> States:
        """States of all tokens, each of which has seen those before it; padding stands behind them all."""
        return self.stack(self.embeddings(ids), real=None if bool(real.all()) else real)

    def through(self, layer: nn.Module, states: States) -> States:
        """One layer, without padding."""
        return self.stack.through(layer, states)
