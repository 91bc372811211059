"""What the `config.json` of a transformers folder says of a part, as our settings.

A model type that is not known here, and a feature that our part would leave out, are errors: what such a model computes
would be something else.
"""

from collections.abc import Mapping
from typing import Any

from vljepa.models.llama import Llama3Scaling, LlamaSettings
from vljepa.models.text_bodies import Gemma3Settings, MPNetSettings, Qwen3Settings
from vljepa.models.tower import ClipSettings, Dinov2Settings, SiglipSettings
from vljepa.models.vjepa2 import VJEPA2Settings
from vljepa.models.x_encoders import XEncoderSettings
from vljepa.models.y_encoder import BertTextSettings, YEncoderSettings
from vljepa.weights.convert import WeightsError

Config = Mapping[str, Any]
LLAMA_TYPES = ("llama", "qwen3")


def x_encoder_settings(config: Config, *, name: str, resolution: int | None = None) -> XEncoderSettings:
    """The vision tower of a folder; `resolution`: the side of its frames, where it can be chosen (DINOv2)."""
    kind = config.get("model_type")
    if kind == "vjepa2":
        return _vjepa2(config)
    if kind in ("clip", "siglip"):
        config, kind = config["vision_config"], f"{kind}_vision_model"
    if kind == "clip_vision_model":
        return ClipSettings(
            **_tower(config),
            activation=config.get("hidden_act", "quick_gelu"),
            norm_epsilon=config.get("layer_norm_eps", 1e-5),
        )
    if kind == "siglip_vision_model":
        return SiglipSettings(
            **_tower(config, hidden=768, intermediate=3072, patch=16),
            activation=config.get("hidden_act", "gelu_pytorch_tanh"),
            norm_epsilon=config.get("layer_norm_eps", 1e-6),
        )
    if kind in ("dinov2", "dinov2_with_registers"):
        return _dinov2(config, kind, resolution)
    if kind in ("siglip2", "siglip2_vision_model"):
        raise WeightsError(
            f"{name}: this SigLIP 2 (NaFlex) reads pictures of any shape, and clips here are squares of one size: take "
            "its sibling of one resolution, such as google/siglip2-base-patch16-256"
        )
    raise WeightsError(
        f"{name}: a model of type {kind!r} is no X-Encoder here: take vjepa2, clip, siglip or dinov2, or the .pt of "
        "V-JEPA 2, 2.1 or a Perception Encoder"
    )


def _vjepa2(config: Config) -> VJEPA2Settings:
    hidden = config["hidden_size"]
    return VJEPA2Settings(
        resolution=config["crop_size"],
        patch=config["patch_size"],
        tubelet=config["tubelet_size"],
        hidden=hidden,
        intermediate=round(hidden * config["mlp_ratio"]),
        layers=config["num_hidden_layers"],
        heads=config["num_attention_heads"],
        norm_epsilon=config["layer_norm_eps"],
    )


def _tower(config: Config, *, hidden: int = 768, intermediate: int = 3072, patch: int = 32) -> dict[str, Any]:
    """The shape; what a file does not say are transformers' defaults."""
    return {
        "resolution": config.get("image_size", 224),
        "patch": config.get("patch_size", patch),
        "hidden": config.get("hidden_size", hidden),
        "intermediate": config.get("intermediate_size", intermediate),
        "layers": config.get("num_hidden_layers", 12),
        "heads": config.get("num_attention_heads", 12),
    }


def _dinov2(config: Config, kind: str, resolution: int | None) -> Dinov2Settings:
    hidden, positions = config["hidden_size"], config["image_size"]
    return Dinov2Settings(
        resolution=positions if resolution is None else resolution,
        positions=positions,
        patch=config["patch_size"],
        hidden=hidden,
        intermediate=hidden * config["mlp_ratio"],
        layers=config["num_hidden_layers"],
        heads=config["num_attention_heads"],
        registers=config.get("num_register_tokens", 4) if kind == "dinov2_with_registers" else 0,
        swiglu=config.get("use_swiglu_ffn", False),
        norm_epsilon=config["layer_norm_eps"],
    )


def llama_settings(config: Config, layers: tuple[int, ...] | None = None, *, name: str) -> LlamaSettings:
    """A language model's layers, all or the named ones."""
    kind, count = config.get("model_type"), config.get("num_hidden_layers", 0)
    if kind not in LLAMA_TYPES:
        raise WeightsError(f"{name}: a model of type {kind!r} is no Llama: take one of {', '.join(LLAMA_TYPES)}")
    if config.get("attention_bias") or config.get("mlp_bias") or config.get("use_sliding_window"):
        raise WeightsError(f"{name}: layers with biases or sliding windows are not known here")
    chosen = tuple(range(count)) if layers is None else layers
    beyond = [layer for layer in chosen if not 0 <= layer < count]
    if beyond:
        raise WeightsError(f"{name}: there is no layer {beyond[0]}: it has {count}")
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    return LlamaSettings(
        hidden=config["hidden_size"],
        intermediate=config["intermediate_size"],
        heads=config["num_attention_heads"],
        key_value_heads=config.get("num_key_value_heads") or config["num_attention_heads"],
        head_width=_head_width(config),
        layers=chosen,
        rope_theta=float(rope.get("rope_theta") or config.get("rope_theta", 10_000.0)),
        rope_scaling=_scaling(rope, name),
        norm_epsilon=config["rms_norm_eps"],
        max_positions=config["max_position_embeddings"],
        query_key_norm=kind == "qwen3",
    )


def _head_width(config: Config) -> int | None:
    """None where heads share the hidden width evenly, however the file says so."""
    width = config.get("head_dim")
    return None if width in (None, config["hidden_size"] // config["num_attention_heads"]) else int(width)


def _scaling(rope: Config, name: str) -> Llama3Scaling | None:
    kind = rope.get("rope_type", rope.get("type", "default"))
    if kind == "default":
        return None
    if kind != "llama3":
        raise WeightsError(f"{name}: rotary positions scaled as {kind!r} are not known here, only 'llama3'")
    return Llama3Scaling(
        factor=rope["factor"],
        low=rope["low_freq_factor"],
        high=rope["high_freq_factor"],
        positions=rope["original_max_position_embeddings"],
    )


def y_encoder_settings(config: Config, *, shared: int, dense: int = 0, name: str) -> YEncoderSettings:
    """A text encoder for a shared space of so many dimensions; `dense`: width between its own two heads, 0: without."""
    kind = config.get("model_type")
    if dense and kind != "gemma3_text":
        raise WeightsError(f"{name}: only EmbeddingGemma has linear heads of its own that are known here")
    if kind == "qwen3":
        llama = llama_settings(config, name=name)
        return Qwen3Settings(llama=llama, vocab=config["vocab_size"], shared=shared)
    if kind == "gemma3_text":
        return _gemma3(config, shared=shared, dense=dense, name=name)
    if kind not in ("bert", "mpnet"):
        raise WeightsError(f"{name}: a model of type {kind!r} is no Y-Encoder here: take bert, mpnet, gemma3 or qwen3")
    shape: dict[str, Any] = {
        "vocab": config["vocab_size"],
        "hidden": config["hidden_size"],
        "intermediate": config["intermediate_size"],
        "layers": config["num_hidden_layers"],
        "heads": config["num_attention_heads"],
        "max_positions": config["max_position_embeddings"],
        "norm_epsilon": config["layer_norm_eps"],
        "shared": shared,
    }
    if config.get("hidden_act", "gelu") != "gelu":
        raise WeightsError(f"{name}: the activation {config['hidden_act']!r} is not known here, only 'gelu'")
    if kind == "mpnet":
        return MPNetSettings(**shape, buckets=config["relative_attention_num_buckets"])
    return BertTextSettings(**shape, types=config["type_vocab_size"])


def _gemma3(config: Config, *, shared: int, dense: int, name: str) -> Gemma3Settings:
    if not config.get("use_bidirectional_attention"):
        raise WeightsError(
            f"{name}: this Gemma reads one way only (use_bidirectional_attention is off): no text encoder"
        )
    rope = config.get("rope_parameters") or {}
    return Gemma3Settings(
        vocab=config["vocab_size"],
        hidden=config["hidden_size"],
        intermediate=config["intermediate_size"],
        layers=config["num_hidden_layers"],
        heads=config["num_attention_heads"],
        key_value_heads=config["num_key_value_heads"],
        head_width=config["head_dim"],
        shared=shared,
        dense=dense,
        window=config["sliding_window"],  # the file's number: in memory transformers has half of it
        pattern=_pattern(config, name),
        rope_theta=rope.get("full_attention", {}).get("rope_theta") or config.get("rope_theta", 1_000_000.0),
        near_rope_theta=rope.get("sliding_attention", {}).get("rope_theta")
        or config.get("rope_local_base_freq", 10_000.0),
        query_scale=config["query_pre_attn_scalar"],
        norm_epsilon=config["rms_norm_eps"],
        max_positions=config["max_position_embeddings"],
    )


def _pattern(config: Config, name: str) -> int:
    """Every which layer sees all; WeightsError where the file lists layers that follow no such rule."""
    kinds = config.get("layer_types") or []
    told = config.get("_sliding_window_pattern") or config.get("sliding_window_pattern") or 6
    pattern = kinds.index("full_attention") + 1 if "full_attention" in kinds else int(told)
    for number, kind in enumerate(kinds):
        if (kind == "full_attention") != ((number + 1) % pattern == 0):
            raise WeightsError(f"{name}: layer {number} has {kind}, and not every {pattern}th layer sees all")
    return pattern
