"""Minute random models in the published layouts: saved by transformers itself, or under the names of their authors."""

import json
import re
from pathlib import Path
from typing import Any

import torch
from tests.conftest import tiny_tokenizer
from torch import Tensor, nn


def scattered(model: nn.Module) -> Any:
    """The same model with numbers that nothing hides: norms are not ones, biases not zeros, tokens not near zero."""
    for name, parameter in model.named_parameters():
        nn.init.normal_(parameter, mean=float("norm" in name.lower() and name.endswith("weight")), std=0.2)
    return model.eval()


def saved(model: Any, folder: Path, *, processor: dict[str, Any] | None = None) -> Path:
    """A folder as it is published: weights, config.json, tokenizer, preprocessing."""
    model.save_pretrained(folder)
    (folder / "tokenizer.json").write_text(tiny_tokenizer(), encoding="utf-8")
    if processor is not None:
        (folder / "preprocessor_config.json").write_text(json.dumps(processor))
    return folder


def vjepa2(*, resolution: int = 32) -> Any:
    from transformers import VJEPA2Config, VJEPA2Model

    return scattered(
        VJEPA2Model(
            VJEPA2Config(
                crop_size=resolution,
                patch_size=8,
                hidden_size=48,
                num_attention_heads=3,
                num_hidden_layers=2,
                mlp_ratio=2.0,
                pred_hidden_size=24,
                pred_num_attention_heads=2,
                pred_num_hidden_layers=1,
            )
        )
    )


def original_vjepa2(tensors: dict[str, Tensor]) -> dict[str, Any]:
    """transformers' tensors as V-JEPA's authors keep them, written out here by hand."""
    out: dict[str, Tensor] = {"module.backbone.pos_embed": torch.zeros(1, 4, 48)}
    for key, tensor in tensors.items():
        if not key.startswith("encoder."):
            continue
        name = key.removeprefix("encoder.").replace("layer.", "blocks.").replace("attention.proj", "attn.proj")
        name = name.replace("embeddings.patch_embeddings", "patch_embed").replace("layernorm", "norm")
        found = re.fullmatch(r"(blocks\.\d+)\.attention\.(query|key|value)\.(weight|bias)", name)
        if found is None:
            out[f"module.backbone.{name}"] = tensor
        elif found[2] == "query":
            parts = [tensors[key.replace("query", part)] for part in ("query", "key", "value")]
            out[f"module.backbone.{found[1]}.attn.qkv.{found[3]}"] = torch.cat(parts)
    return {"target_encoder": out, "encoder": {"unused": torch.zeros(1)}, "epoch": 3}


def llama(*, layers: int = 3, **settings: Any) -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    shape = {
        "vocab_size": 300,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 8192,
    }
    return scattered(LlamaForCausalLM(LlamaConfig(**shape | settings, num_hidden_layers=layers)))


LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 10_000.0,
    "factor": 4.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}


def qwen3() -> Any:
    from transformers import Qwen3Config, Qwen3Model

    return scattered(
        Qwen3Model(
            Qwen3Config(
                vocab_size=300,
                hidden_size=32,
                intermediate_size=48,
                num_hidden_layers=2,
                num_attention_heads=4,
                num_key_value_heads=2,
                head_dim=16,
            )
        )
    )


def gemma3(*, bidirectional: bool = True) -> Any:
    from transformers import Gemma3TextConfig, Gemma3TextModel

    return scattered(
        Gemma3TextModel(
            Gemma3TextConfig(
                vocab_size=300,
                hidden_size=24,
                intermediate_size=40,
                num_hidden_layers=3,
                num_attention_heads=3,
                num_key_value_heads=1,
                head_dim=16,
                sliding_window=8,
                sliding_window_pattern=3,
                query_pre_attn_scalar=16,
                max_position_embeddings=128,
                use_bidirectional_attention=bidirectional,
            )
        )
    )


def bert() -> Any:
    from transformers import BertConfig, BertModel

    return scattered(
        BertModel(
            BertConfig(
                vocab_size=300,
                hidden_size=24,
                intermediate_size=40,
                num_hidden_layers=2,
                num_attention_heads=3,
                max_position_embeddings=64,
            )
        )
    )


def mpnet() -> Any:
    from transformers import MPNetConfig, MPNetModel

    return scattered(
        MPNetModel(
            MPNetConfig(
                vocab_size=300,
                hidden_size=24,
                intermediate_size=40,
                num_hidden_layers=2,
                num_attention_heads=3,
                max_position_embeddings=66,
                layer_norm_eps=1e-5,
            )
        )
    )


TOWER = {
    "hidden_size": 24,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "image_size": 32,
    "patch_size": 8,
}


def clip() -> Any:
    from transformers import CLIPConfig, CLIPModel

    text = {"vocab_size": 99, "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1}
    return scattered(
        CLIPModel(CLIPConfig(text_config=text | {"num_attention_heads": 2}, vision_config=TOWER, projection_dim=8))
    )


def siglip() -> Any:
    from transformers import SiglipConfig, SiglipModel

    text = {"vocab_size": 99, "hidden_size": 24, "intermediate_size": 16, "num_hidden_layers": 1}
    return scattered(SiglipModel(SiglipConfig(text_config=text | {"num_attention_heads": 2}, vision_config=TOWER)))


def dinov2(*, registers: int = 0) -> Any:
    from transformers import Dinov2Config, Dinov2Model, Dinov2WithRegistersConfig, Dinov2WithRegistersModel

    shape = {key: value for key, value in TOWER.items() if key != "intermediate_size"} | {"mlp_ratio": 2}
    if registers:
        return scattered(Dinov2WithRegistersModel(Dinov2WithRegistersConfig(**shape, num_register_tokens=registers)))
    return scattered(Dinov2Model(Dinov2Config(**shape)))
