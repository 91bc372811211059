"""Sizes: functions that return settings. Nothing else in the project branches on a size."""

from dataclasses import replace

from vljepa.models.efficientnet_lite import NUM_CLASSES, EfficientNetLiteSettings
from vljepa.models.lite_encoder import LiteEncoderSettings
from vljepa.models.llama import Llama3Scaling, LlamaSettings
from vljepa.models.predictor import PredictorSettings
from vljepa.models.text_bodies import Gemma3Settings, MPNetSettings
from vljepa.models.vjepa2 import VJEPA2Settings
from vljepa.models.vljepa import VLJEPASettings
from vljepa.models.y_decoder import YDecoderSettings
from vljepa.models.y_encoder import BertTextSettings


def smollm2_135m(layers: tuple[int, ...]) -> LlamaSettings:
    """The named layers of SmolLM2-135M-Instruct (30 in all)."""
    return LlamaSettings(hidden=576, intermediate=1536, heads=9, key_value_heads=3, layers=layers, rope_theta=100_000.0)


# What the blocks of the published Lite0 give at most: 150 photographs and 381 frames of the corpus's other sources, of
# which half give less than three quarters of it (benchmarks/x_encoder.py --ranges).
LITE0_RANGES = (52.0, 71.0, 78.0, 54.0, 56.0, 43.0, 46.0, 48.0, 57.0, 60.0, 64.0, 42.0, 47.0, 50.0, 61.0, 20.0)


def small() -> VLJEPASettings:
    """The shipped default: EfficientNet-Lite0, the last layers of SmolLM2-135M, all-MiniLM-L6-v2."""
    x_encoder = LiteEncoderSettings(cells=3, network=EfficientNetLiteSettings(ranges=LITE0_RANGES))
    shared = 384
    return VLJEPASettings(
        x_encoder=x_encoder,
        predictor=PredictorSettings(
            llama=smollm2_135m((26, 27, 28, 29)),
            visual_width=x_encoder.token_width,
            shared=shared,
            classes=NUM_CLASSES,
        ),
        y_encoder=BertTextSettings(vocab=30522, hidden=384, intermediate=1536, layers=6, heads=12, shared=shared),
        y_decoder=prefix_decoder(smollm2_135m(tuple(range(30))), shared=shared, vocab=49152, stop=0),
        vocab=49152,
    )


def prefix_decoder(llama: LlamaSettings, *, shared: int, vocab: int, stop: int) -> YDecoderSettings:
    """A Y-Decoder of the first three and the last of a language model's layers, which `llama` holds all."""
    layers = llama.layers[:3] + llama.layers[3:][-1:]
    return YDecoderSettings(llama=replace(llama, layers=layers), shared=shared, prefix=4, vocabulary=vocab, stop=stop)


def smollm2_360m(layers: tuple[int, ...]) -> LlamaSettings:
    """The named layers of SmolLM2-360M (32 in all)."""
    return LlamaSettings(
        hidden=960, intermediate=2560, heads=15, key_value_heads=5, layers=layers, rope_theta=100_000.0
    )


def llama_3_2_1b(layers: tuple[int, ...]) -> LlamaSettings:
    """The named layers of Llama-3.2-1B (16 in all)."""
    return LlamaSettings(
        hidden=2048,
        intermediate=8192,
        heads=32,
        key_value_heads=8,
        layers=layers,
        rope_theta=500_000.0,
        rope_scaling=Llama3Scaling(factor=32.0),
        max_positions=131_072,
    )


def vjepa2_vitl() -> VJEPA2Settings:
    """V-JEPA 2's ViT-L for frames of 256 pixels."""
    return VJEPA2Settings(resolution=256, hidden=1024, intermediate=4096, layers=24, heads=16)


def mpnet_base(*, shared: int) -> MPNetSettings:
    """all-mpnet-base-v2."""
    return MPNetSettings(vocab=30_527, hidden=768, intermediate=3072, layers=12, heads=12, shared=shared)


def embeddinggemma(*, shared: int, dense: int = 0) -> Gemma3Settings:
    """EmbeddingGemma-300M; its own linear heads are 3072 wide between them, and left out by the paper's followers."""
    return Gemma3Settings(
        vocab=262_144,
        hidden=768,
        intermediate=1152,
        layers=24,
        heads=3,
        key_value_heads=1,
        head_width=256,
        shared=shared,
        dense=dense,
    )


def open() -> VLJEPASettings:
    """Without any gate: V-JEPA 2 ViT-L, the last half of SmolLM2-360M, all-mpnet-base-v2 in whose space it works."""
    x_encoder, shared = vjepa2_vitl(), 768
    return VLJEPASettings(
        x_encoder=x_encoder,
        predictor=PredictorSettings(
            llama=smollm2_360m(tuple(range(16, 32))), visual_width=x_encoder.token_width, shared=shared
        ),
        y_encoder=mpnet_base(shared=shared),
        y_decoder=prefix_decoder(smollm2_360m(tuple(range(32))), shared=shared, vocab=49_152, stop=0),
        vocab=49_152,
    )


def paper() -> VLJEPASettings:
    """The paper's: V-JEPA 2 ViT-L, the last 8 of Llama-3.2-1B's 16 layers, EmbeddingGemma-300M, 1,536 dimensions."""
    x_encoder, shared = vjepa2_vitl(), 1536
    return VLJEPASettings(
        x_encoder=x_encoder,
        predictor=PredictorSettings(
            llama=llama_3_2_1b(tuple(range(8, 16))), visual_width=x_encoder.token_width, shared=shared
        ),
        y_encoder=embeddinggemma(shared=shared),
        y_decoder=prefix_decoder(llama_3_2_1b(tuple(range(16))), shared=shared, vocab=128_256, stop=128_001),
        vocab=128_256,
    )


def tiny() -> VLJEPASettings:
    """Random and minute, for unit tests alone: never shipped, never shown as a result."""
    x_encoder = LiteEncoderSettings(network=EfficientNetLiteSettings(width=0.1, depth=0.1), cells=2)
    llama = LlamaSettings(hidden=32, intermediate=64, heads=4, key_value_heads=2, layers=(0, 1), rope_theta=10_000.0)
    return VLJEPASettings(
        x_encoder=x_encoder,
        predictor=PredictorSettings(llama=llama, visual_width=x_encoder.token_width, shared=16),
        y_encoder=BertTextSettings(vocab=300, hidden=24, intermediate=48, layers=2, heads=4, shared=16),
        y_decoder=YDecoderSettings(llama=llama, shared=16, prefix=2, vocabulary=300, stop=0),
        vocab=300,
    )
