"""Y-Encoder: target text in, its embedding S_Y out (paper, section 3.1).

A published sentence encoder whose token states are averaged, then one linear head into the shared space. Its body
learns at a twentieth of the Predictor's rate, so that early, poor predictions do not spoil it.
"""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from vljepa.models.bert import Bert, BertSettings
from vljepa.models.predictor import masked_mean
from vljepa.types import Tokens


@dataclass(frozen=True, kw_only=True)
class YEncoderSettings(BertSettings):
    """Shape of a BERT-type encoder and of the shared space."""

    shared: int


class YEncoder(nn.Module):
    """Token states averaged over real tokens, then the linear head."""

    def __init__(self, settings: YEncoderSettings) -> None:
        super().__init__()
        self.settings = settings
        self.body = Bert(settings)
        self.head = nn.Linear(settings.hidden, settings.shared)

    def forward(self, texts: Tokens) -> Float[Tensor, "batch shared"]:
        """Embeddings of texts, not normalised."""
        return self.head(self.pooled(texts))

    def pooled(self, texts: Tokens) -> Float[Tensor, "batch hidden"]:
        """The sentence encoder's own vector, before the head."""
        return masked_mean(self.body(texts.ids, texts.mask), texts.mask)
