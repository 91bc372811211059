"""How many parameters the published bodies have that our parts are made of, as their authors count them."""

from collections.abc import Iterator
from dataclasses import dataclass

from torch import nn

from vljepa.models.lite_encoder import LiteEncoderSettings
from vljepa.models.text_bodies import Gemma3Settings, MPNetSettings
from vljepa.models.vjepa2 import VJEPA2Settings
from vljepa.models.vljepa import VLJEPA
from vljepa.models.y_encoder import BertTextSettings

# Authors round, fold batch norms or count a pooler that nobody uses.
TOLERANCE = 0.02


@dataclass(frozen=True, kw_only=True)
class KnownSize:
    """Whose size it is, how many million parameters are published, and how many there are here."""

    name: str
    published: float
    found: float

    @property
    def ok(self) -> bool:
        """Whether the two agree, but for rounding."""
        return abs(self.found - self.published) <= TOLERANCE * self.published

    def __str__(self) -> str:
        return f"{self.name} {self.found:.1f} M, published {self.published:g} M"


def known_sizes(model: VLJEPA) -> dict[str, tuple[KnownSize, ...]]:
    """By the name of each part, the sizes that are known of what is in it."""
    found: dict[str, list[KnownSize]] = {}
    for part, name, published, module in _known(model):
        counted = sum(weight.numel() for weight in module.parameters()) / 1e6
        found.setdefault(part, []).append(KnownSize(name=name, published=published, found=counted))
    return {part: tuple(sizes) for part, sizes in found.items()}


def _known(model: VLJEPA) -> Iterator[tuple[str, str, float, nn.Module]]:
    seeing, predicting, reading = model.settings.x_encoder, model.settings.predictor.llama, model.settings.y_encoder
    if isinstance(seeing, VJEPA2Settings) and (seeing.hidden, seeing.layers) == (1024, 24):
        yield "x_encoder", "V-JEPA 2 ViT-L", 304.0, model.x_encoder
    if isinstance(seeing, LiteEncoderSettings) and (seeing.network.width, seeing.network.depth) == (1, 1):
        yield "x_encoder", "EfficientNet-Lite0", 4.7, model.x_encoder
    if (predicting.hidden, predicting.intermediate, len(predicting.layers)) == (2048, 8192, 8):
        yield "predictor", "the paper's Predictor", 490.0, model.predictor
    if isinstance(reading, Gemma3Settings) and (reading.hidden, reading.layers) == (768, 24):
        yield "y_encoder", "EmbeddingGemma-300M", 302.9, model.y_encoder.body
        if reading.dense:
            yield "y_encoder", "its own two heads", 4.7, model.y_encoder.dense
    if isinstance(reading, BertTextSettings) and (reading.hidden, reading.layers) == (384, 6):
        yield "y_encoder", "all-MiniLM-L6-v2", 22.7, model.y_encoder.body
    if isinstance(reading, MPNetSettings) and (reading.hidden, reading.layers) == (768, 12):
        yield "y_encoder", "all-mpnet-base-v2", 109.0, model.y_encoder.body
