"""Sizes: functions that return settings. Nothing else in the project branches on a size."""

from vljepa.models.efficientnet_lite import EfficientNetLiteSettings
from vljepa.models.llama import LlamaSettings
from vljepa.models.predictor import PredictorSettings
from vljepa.models.vljepa import VLJEPASettings
from vljepa.models.x_encoder import XEncoderSettings
from vljepa.models.y_decoder import YDecoderSettings
from vljepa.models.y_encoder import YEncoderSettings


def smollm2_135m(layers: tuple[int, ...]) -> LlamaSettings:
    """The named layers of SmolLM2-135M-Instruct (30 in all)."""
    return LlamaSettings(hidden=576, intermediate=1536, heads=9, key_value_heads=3, layers=layers, rope_theta=100_000.0)


def small() -> VLJEPASettings:
    """The shipped default: EfficientNet-Lite0, the last layers of SmolLM2-135M, all-MiniLM-L6-v2."""
    x_encoder = XEncoderSettings(cells=3)
    shared = 384
    return VLJEPASettings(
        x_encoder=x_encoder,
        predictor=PredictorSettings(
            llama=smollm2_135m((26, 27, 28, 29)), visual_width=x_encoder.token_width, shared=shared
        ),
        y_encoder=YEncoderSettings(vocab=30522, hidden=384, intermediate=1536, layers=6, heads=12, shared=shared),
        y_decoder=YDecoderSettings(
            llama=smollm2_135m((0, 1, 2, 29)), shared=shared, prefix=4, vocabulary=49152, stop=0
        ),
        vocab=49152,
    )


def tiny() -> VLJEPASettings:
    """Random and minute, for unit tests alone: never shipped, never shown as a result."""
    x_encoder = XEncoderSettings(network=EfficientNetLiteSettings(width=0.1, depth=0.1), cells=2)
    llama = LlamaSettings(hidden=32, intermediate=64, heads=4, key_value_heads=2, layers=(0, 1), rope_theta=10_000.0)
    return VLJEPASettings(
        x_encoder=x_encoder,
        predictor=PredictorSettings(llama=llama, visual_width=x_encoder.token_width, shared=16),
        y_encoder=YEncoderSettings(vocab=300, hidden=24, intermediate=48, layers=2, heads=4, shared=16),
        y_decoder=YDecoderSettings(llama=llama, shared=16, prefix=2, vocabulary=300, stop=0),
        vocab=300,
    )
