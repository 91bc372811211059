"""Minute random sources of every importer, in the layouts in which they are published."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tests.weights import made_published as made
from torch import Tensor

from vljepa.models.perception_encoder import PerceptionEncoder, PerceptionSettings
from vljepa.models.vjepa2_1 import VJEPA21, VJEPA21Settings
from vljepa.weights.importing import ImportSettings

VIDEO = {"video_processor_type": "VJEPA2VideoProcessor", "crop_size": 32}
SQUARE = {"image_processor_type": "SiglipImageProcessor", "size": {"height": 32, "width": 32}}
SHARED, BETWEEN = 16, 20


@dataclass(frozen=True, kw_only=True)
class Source:
    """What to import, the file that holds the tensors to be damaged, and where in it they lie."""

    settings: ImportSettings
    file: Path
    under: str = ""
    unused: tuple[str, ...] = ()  # names begin so, and are left out on purpose


def linear(out: int, wide: int) -> dict[str, Tensor]:
    return {"weight": torch.randn(out, wide), "bias": torch.randn(out)}


def named(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"{prefix}{key}": tensor.clone() for key, tensor in tensors.items()}


def open_vljepa(llama: Any, gemma: Any) -> dict[str, Any]:
    """`best.pt`: the last of Llama's layers under new numbers, EmbeddingGemma, projections; no vision encoder."""
    theirs = dict(llama.model.state_dict())
    layers = {
        f"layers.{int(key.split('.')[1]) - 1}.{key.split('.', 2)[2]}": tensor
        for key, tensor in theirs.items()
        if key.startswith(("layers.1.", "layers.2."))
    }
    tensors = (
        named("predictor.", {key: theirs[key] for key in ("embed_tokens.weight", "norm.weight")} | layers)
        | named("predictor.vis_proj.", linear(32, 48))
        | named("predictor.out_proj.", linear(SHARED, 32))
        | named("y_encoder.model.", dict(gemma.state_dict()))
        | named("y_encoder.projector.", linear(SHARED, 24))
    )
    return {"epoch": 2, "model_state_dict": tensors, "loss": 0.5, "config": {"training": {"epochs": 3}}}


def saivishwak(vjepa2: Any, llama: Any, gemma: Any) -> dict[str, Tensor]:
    """`model.pt`: everything, with V-JEPA's own predictor, two projections in a row, and a Y-Decoder."""
    whole = open_vljepa(llama, gemma)["model_state_dict"]
    backbone = {key: tensor for key, tensor in whole.items() if key.startswith(("predictor.l", "predictor.e"))}
    backbone["predictor.norm.weight"] = whole["predictor.norm.weight"]
    return (
        named("x_encoder.encoder.", dict(vjepa2.state_dict()))
        | named("x_encoder.projection.", linear(BETWEEN, 48))
        | {key.replace("predictor.", "predictor.backbone."): tensor for key, tensor in backbone.items()}
        | named("predictor.vision_projection.", linear(32, BETWEEN))
        | named("predictor.output_projection.", linear(SHARED, 32))
        | named("y_encoder.encoder.", dict(gemma.state_dict()))
        | named("y_encoder.projection.", linear(SHARED, 24))
        | named("y_decoder.prefix_projection.", linear(32, SHARED))
    )


def vjepa2_1() -> VJEPA21:
    settings = VJEPA21Settings(hidden=64, intermediate=96, layers=2, heads=1, resolution=384)
    return made.scattered(VJEPA21(settings))


def perception(**others: Any) -> dict[str, Tensor]:
    """A Perception Encoder's tower, 64 wide as its heads are, for frames of 32 pixels."""
    shape = {"resolution": 32, "patch": 8, "hidden": 64, "intermediate": 96, "layers": 2, "heads": 1}
    tower = made.scattered(PerceptionEncoder(PerceptionSettings(**shape, **others)))
    return {key: tensor.clone() for key, tensor in tower.state_dict().items()}


def perception_core() -> dict[str, Tensor]:
    """A pair: the tower with its pooling, and a text side whose layers have the same names."""
    pooling = {"attn_pool.probe": torch.randn(1, 1, 64), "proj": torch.randn(64, 16)}
    text = {"positional_embedding": torch.randn(9, 32), "transformer.resblocks.0.ln_1.weight": torch.randn(32)}
    return named("visual.", perception() | pooling) | text | {"logit_scale": torch.ones(())}


def vjepa2_as_published() -> Any:
    """64 wide, as the heads of a `.pt` are; frames of 256 pixels."""
    from transformers import VJEPA2Config, VJEPA2Model

    return made.scattered(
        VJEPA2Model(
            VJEPA2Config(
                crop_size=256,
                patch_size=16,
                hidden_size=64,
                num_attention_heads=1,
                num_hidden_layers=2,
                mlp_ratio=1.5,
                pred_hidden_size=24,
                pred_num_attention_heads=2,
                pred_num_hidden_layers=1,
            )
        )
    )


def sources(folder: Path) -> dict[str, Source]:
    """One of each importer."""
    torch.manual_seed(0)
    vjepa2, llama, gemma = made.vjepa2(), made.llama(rope_parameters=made.LLAMA3), made.gemma3()
    x = {
        "vjepa2": made.saved(vjepa2, folder / "vjepa2", processor=VIDEO),
        "clip": made.saved(made.clip(), folder / "clip", processor=SQUARE),
        "siglip": made.saved(made.siglip(), folder / "siglip", processor=SQUARE),
        "dinov2": made.saved(made.dinov2(), folder / "dinov2", processor=SQUARE),
    }
    predictor = {"llama": made.saved(llama, folder / "llama"), "qwen3": made.saved(made.qwen3(), folder / "qwen3")}
    ends = {"bos_token_id": 1, "eos_token_id": 0}
    config = json.loads((predictor["qwen3"] / "config.json").read_text())
    (predictor["qwen3"] / "config.json").write_text(json.dumps(config | ends))
    y = {
        "gemma3": made.saved(gemma, folder / "gemma3"),
        "bert": made.saved(made.bert(), folder / "bert"),
        "mpnet": made.saved(made.mpnet(), folder / "mpnet"),
    }
    original = folder / "vitl.pt"
    torch.save(made.original_vjepa2(dict(vjepa2_as_published().state_dict())), original)
    newer = folder / "vjepa2_1_vitb_dist_vitG_384.pt"
    torch.save({"ema_encoder": named("module.backbone.", dict(vjepa2_1().state_dict()))}, newer)
    core, lang = folder / "PE-Core.pt", folder / "PE-Lang.pt"
    torch.save(perception_core(), core)
    torch.save({"state_dict": named("module.", perception(class_token=False, scaled=True, last_norm=False))}, lang)
    torch.save(open_vljepa(llama, gemma), folder / "best.pt")
    torch.save(saivishwak(vjepa2, llama, gemma), folder / "model.pt")

    def parts(source: Path, p: str = "llama", t: str = "gemma3", **others: Any) -> ImportSettings:
        return ImportSettings(
            kind="parts", source=str(source), predictor=str(predictor[p]), y_encoder=str(y[t]), layers=2, **others
        )

    whole = {"x_encoder": str(x["vjepa2"]), "predictor": str(predictor["llama"]), "y_encoder": str(y["gemma3"])}
    weights = "model.safetensors"
    found = {name: Source(settings=parts(path), file=path / weights, unused=UNUSED) for name, path in x.items()}
    found |= {
        name: Source(settings=parts(x["vjepa2"], p=name), file=path / weights, unused=UNUSED)
        for name, path in predictor.items()
    }
    found |= {
        name: Source(settings=parts(x["vjepa2"], t=name), file=path / weights, unused=UNUSED)
        for name, path in y.items()
    }
    return found | {
        "vjepa2 original": Source(
            settings=parts(original, resolution=256), file=original, under="target_encoder", unused=UNUSED
        ),
        "perception core": Source(settings=parts(core), file=core, unused=UNUSED),
        "perception lang": Source(settings=parts(lang), file=lang, under="state_dict"),
        "vjepa2.1": Source(settings=parts(newer), file=newer, under="ema_encoder"),
        "open-vljepa": Source(
            settings=ImportSettings(kind="open-vljepa", source=str(folder / "best.pt"), **whole),
            file=folder / "best.pt",
            under="model_state_dict",
        ),
        "saivishwak": Source(
            settings=ImportSettings(kind="saivishwak", source=str(folder / "model.pt"), decoder="none", **whole),
            file=folder / "model.pt",
            unused=("x_encoder.encoder.predictor.", "y_decoder."),
        ),
    }


# What each table leaves out by name: a pretraining's own predictor, poolers, the text side of a pair, output layers.
UNUSED = (
    "predictor.",
    "pooler.",
    "text_",
    "logit_",
    "visual_projection",
    "vision_model.post_layernorm",
    "vision_model.head.",
    "embeddings.mask_token",
    "lm_head",
    "module.backbone.pos_embed",
    "visual.attn_pool.",
    "visual.proj",
    "positional_embedding",
    "transformer.",
)
