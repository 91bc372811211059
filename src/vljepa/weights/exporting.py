"""Parts of a model folder under their published names: what transformers opens, or what other projects read.

The key tables are those of the importers, read backwards. No pickles are written: where the published file is one, its
tensors are written as safetensors under the same names.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from vljepa.data.processor import ProcessorSettings
from vljepa.models.llama import LlamaSettings
from vljepa.models.perception_encoder import PerceptionSettings
from vljepa.models.vjepa2_1 import VJEPA21Settings
from vljepa.models.vljepa import VLJEPA, VLJEPASettings
from vljepa.models.y_encoder import BertTextSettings
from vljepa.weights.compose import X_TABLES, Y_TABLES
from vljepa.weights.convert import WeightsError
from vljepa.weights.folder import Companions, Undrawn, folder_settings, load_companions
from vljepa.weights.keys import DENSE, LLAMA, PERCEPTION, VJEPA2_1, VJEPA2_ORIGINAL
from vljepa.weights.quantize import SCALE_SUFFIX
from vljepa.weights.stored import Stored, as_stored, check_stored, json_of, read, stored_tensors
from vljepa.weights.tables import to_theirs
from vljepa.weights.whole import to_open_vljepa

Files = dict[str, dict[str, Tensor]]
EXPORTS: Mapping[str, str] = {
    "x-encoder": "the vision encoder, as transformers has it (V-JEPA 2.1, Perception Encoder: as its authors do)",
    "x-encoder-original": "V-JEPA 2 under its authors' names",
    "predictor": "the Predictor's layers and the token table, as transformers' Llama or Qwen3",
    "y-encoder": "the text encoder without our head, as transformers has it",
    "open-vljepa": "all but the vision encoder under the names of dion-jy/open-vljepa",
}


@dataclass(frozen=True, kw_only=True)
class _Saved:
    """A model folder, checked; `model` has shapes and no numbers."""

    companions: Companions
    settings: VLJEPASettings
    model: VLJEPA
    stored: Mapping[str, Stored]

    def tensors(self, prefix: str) -> dict[str, Tensor]:
        """Those whose names begin so, without it, in the number format that they are stored in (int8: float32)."""
        return {
            key.removeprefix(prefix): read(self.stored, key, dtype=torch.float32)
            if stored.dtype == "I8"
            else as_stored(stored)
            for key, stored in self.stored.items()
            if key.startswith(prefix) and not key.endswith(SCALE_SUFFIX)
        }


def export_weights(kind: str, folder: Path, into: Path) -> list[Path]:
    """Write a part of a model folder into the new folder `into`; gives the files. Each tensor as it is stored."""
    if kind not in EXPORTS:
        raise WeightsError(f"there is no export {kind}: choose one of {', '.join(EXPORTS)}")
    if into.exists():
        raise WeightsError(f"{into} is there already: give the name of a new folder, or delete it first")
    saved = _open(folder)
    files, config = exported(kind, saved)
    into.mkdir(parents=True)
    for name, tensors in files.items():
        path = into / name
        path.parent.mkdir(exist_ok=True)
        save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, path, metadata={"format": "pt"})
        path.chmod(0o644)  # safetensors keeps its files from everybody else
    if config:
        (into / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    _write_companions(kind, saved.companions, saved.settings, into)
    return sorted(path for path in into.rglob("*") if path.is_file())


def _open(folder: Path) -> _Saved:
    settings = folder_settings(json_of(folder / "config.json")).model
    with torch.device("meta"), Undrawn():
        model = VLJEPA(settings)
    stored = stored_tensors(folder)
    check_stored(stored, dict(model.state_dict(keep_vars=True)), name=str(folder))
    return _Saved(companions=load_companions(folder), settings=settings, model=model, stored=stored)


def exported(kind: str, saved: _Saved) -> tuple[Files, dict[str, Any]]:
    """The tensors by file, and the content of `config.json`, empty where the layout has none."""
    settings = saved.settings
    if kind == "open-vljepa":
        return {"best.safetensors": to_open_vljepa(saved.tensors(""))}, {}
    if kind == "predictor":
        tensors = saved.tensors("predictor.layers.") | {"embed_tokens.weight": saved.tensors("token_table.")["weight"]}
        return {"model.safetensors": to_theirs(LLAMA, tensors)}, _llama(settings.predictor.llama, settings.vocab)
    if kind == "y-encoder":
        return _y_encoder(saved)
    return _x_encoder(kind, saved)


def _x_encoder(kind: str, saved: _Saved) -> tuple[Files, dict[str, Any]]:
    """As transformers keeps it, or its authors: what transformers does not know has their names alone."""
    tensors, told = saved.tensors("x_encoder."), saved.settings.x_encoder
    if isinstance(told, VJEPA21Settings | PerceptionSettings):
        table = VJEPA2_1 if isinstance(told, VJEPA21Settings) else PERCEPTION
        return {f"{told.kind}_{told.resolution}.safetensors": to_theirs(table, tensors)}, {}
    if kind == "x-encoder-original":
        if told.kind != "vjepa2":
            raise WeightsError(f"the vision encoder is of kind {told.kind}, which has no other names: export x-encoder")
        return {f"vjepa2_{told.resolution}.safetensors": to_theirs(VJEPA2_ORIGINAL, tensors)}, {}
    if told.kind not in X_TABLES:
        raise WeightsError(
            f"the vision encoder is of kind {told.kind}, whose published form ours does not lead back to"
        )
    return {"model.safetensors": to_theirs(X_TABLES[told.kind], tensors)}, _config_in(saved.model.x_encoder)


def _y_encoder(saved: _Saved) -> tuple[Files, dict[str, Any]]:
    """The body, and its own linear heads in the folders where sentence-transformers keeps them."""
    part, tensors = saved.model.y_encoder, saved.tensors("y_encoder.")
    body = {key: tensor for key, tensor in tensors.items() if key.startswith("body.")}
    files = {"model.safetensors": to_theirs(Y_TABLES[part.settings.kind], body)}
    for key, tensor in to_theirs(DENSE, {k: v for k, v in tensors.items() if k.startswith("dense.")}).items():
        place, _, name = key.partition(".")
        files[f"{place}/model.safetensors"] = {name: tensor}
    if part.settings.kind == "qwen3":
        return files, _llama(part.settings.llama, part.settings.vocab)
    return files, _bert(part.settings) if isinstance(part.settings, BertTextSettings) else _config_in(part)


def _config_in(part: torch.nn.Module) -> dict[str, Any]:
    """What transformers' own network inside says of itself."""
    config: Any = next(module.config for module in part.modules() if hasattr(module, "config"))
    values: dict[str, Any] = json.loads(config.to_json_string(use_diff=False))
    return values


def _llama(settings: LlamaSettings, vocab: int) -> dict[str, Any]:
    scaling = settings.rope_scaling
    rope: dict[str, Any] = {"rope_type": "default", "rope_theta": settings.rope_theta}
    if scaling is not None:
        rope |= {
            "rope_type": "llama3",
            "factor": scaling.factor,
            "low_freq_factor": scaling.low,
            "high_freq_factor": scaling.high,
            "original_max_position_embeddings": scaling.positions,
        }
    return {
        "model_type": "qwen3" if settings.query_key_norm else "llama",
        "architectures": ["Qwen3ForCausalLM" if settings.query_key_norm else "LlamaForCausalLM"],
        "vocab_size": vocab,
        "hidden_size": settings.hidden,
        "intermediate_size": settings.intermediate,
        "num_hidden_layers": len(settings.layers),
        "num_attention_heads": settings.heads,
        "num_key_value_heads": settings.key_value_heads,
        "head_dim": settings.head_width or settings.hidden // settings.heads,
        "max_position_embeddings": settings.max_positions,
        "rms_norm_eps": settings.norm_epsilon,
        "rope_parameters": rope,
        "tie_word_embeddings": True,
    }


def _bert(settings: BertTextSettings) -> dict[str, Any]:
    return {
        "model_type": "bert",
        "architectures": ["BertModel"],
        "vocab_size": settings.vocab,
        "hidden_size": settings.hidden,
        "intermediate_size": settings.intermediate,
        "num_hidden_layers": settings.layers,
        "num_attention_heads": settings.heads,
        "max_position_embeddings": settings.max_positions,
        "type_vocab_size": settings.types,
        "layer_norm_eps": settings.norm_epsilon,
        "hidden_act": "gelu",
    }


def _write_companions(kind: str, companions: Companions, settings: VLJEPASettings, into: Path) -> None:
    """Tokenizer or preprocessing, where the layout has one."""
    if kind in ("predictor", "y-encoder"):
        tokenizer = companions.query_tokenizer if kind == "predictor" else companions.target_tokenizer
        (into / "tokenizer.json").write_text(tokenizer.definition, encoding="utf-8")
        if kind == "predictor":
            values = json.loads((into / "config.json").read_text())
            ends = {"bos_token_id": tokenizer.settings.start, "eos_token_id": companions.decoder_tokenizer.settings.end}
            (into / "config.json").write_text(json.dumps(values | ends, indent=1) + "\n")
    if kind == "x-encoder":
        values = _preprocessing(companions.processor.settings, settings.x_encoder.kind)
        (into / "preprocessor_config.json").write_text(json.dumps(values, indent=1) + "\n")


def _preprocessing(settings: ProcessorSettings, kind: str) -> dict[str, Any]:
    """The settings as the published class that does the same."""
    side = settings.resolution
    values: dict[str, Any] = {
        "image_mean": list(settings.mean),
        "image_std": list(settings.scale),
        "rescale_factor": settings.rescale,
        "resample": 3 if settings.interpolation == "bicubic" else 2,
    }
    if kind.startswith("vjepa2"):
        return values | {"video_processor_type": "VJEPA2VideoProcessor", "crop_size": {"height": side, "width": side}}
    if settings.resize == "squash":
        return values | {"image_processor_type": "SiglipImageProcessor", "size": {"height": side, "width": side}}
    return values | {
        "image_processor_type": "CLIPImageProcessor",
        "size": {"shortest_edge": settings.short_side},
        "crop_size": {"height": side, "width": side},
    }
