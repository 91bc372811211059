"""Y-Encoder: target text in, its embedding S_Y out (paper, section 3.1).

A published sentence encoder whose token states become one vector, then one linear head into the shared space. Its body
learns at a twentieth of the Predictor's rate, so that early, poor predictions do not spoil it.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from vljepa.config import BY_KIND
from vljepa.models.bert import Bert, BertSettings
from vljepa.models.predictor import masked_mean
from vljepa.models.text_bodies import Gemma3, Gemma3Settings, MPNet, MPNetSettings, Qwen3, Qwen3Settings
from vljepa.types import Tokens


@dataclass(frozen=True, kw_only=True)
class BertTextSettings(BertSettings):
    """Shape of a BERT-type encoder and of the shared space."""

    kind: Literal["bert"] = "bert"
    shared: int
    dense: Literal[0] = 0
    pooling: Literal["mean"] = "mean"


# The first is meant where settings tell no kind: folders from before there were more.
YEncoderSettings = Annotated[BertTextSettings | Gemma3Settings | MPNetSettings | Qwen3Settings, BY_KIND]


def _body(settings: YEncoderSettings) -> Bert | Gemma3 | MPNet | Qwen3:
    if isinstance(settings, Gemma3Settings):
        return Gemma3(settings)
    if isinstance(settings, MPNetSettings):
        return MPNet(settings)
    return Qwen3(settings) if isinstance(settings, Qwen3Settings) else Bert(settings)


class YEncoder(nn.Module):
    """One vector of a text's token states, the sentence encoder's own linear heads if it has any, then ours."""

    def __init__(self, settings: YEncoderSettings) -> None:
        super().__init__()
        self.settings = settings
        self.body = _body(settings)
        widths = [settings.hidden, settings.dense, settings.hidden] if settings.dense else [settings.hidden]
        self.dense = nn.Sequential(*(nn.Linear(a, b, bias=False) for a, b in pairwise(widths)))
        self.head = nn.Linear(settings.hidden, settings.shared)

    def forward(self, texts: Tokens) -> Float[Tensor, "batch shared"]:
        """Embeddings of texts, not normalised."""
        return self.head(self.pooled(texts))

    def pooled(self, texts: Tokens) -> Float[Tensor, "batch hidden"]:
        """The sentence encoder's own vector, before the head."""
        pool = masked_mean if self.settings.pooling == "mean" else last_real
        return self.dense(pool(self.body(texts.ids, texts.mask), texts.mask))


def last_real(
    hidden: Float[Tensor, "batch token dim"], mask: Bool[Tensor, "batch token"]
) -> Float[Tensor, "batch dim"]:
    """The state of each text's last token; padding is on the right."""
    return hidden[torch.arange(len(hidden), device=hidden.device), mask.sum(1) - 1]
