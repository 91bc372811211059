"""The Y-Decoder's objective: say the text of an embedding (our choice, paper.md 9.1 point 27).

Trained on target embeddings with noise, which needs text alone, so that it forgives the Predictor's errors.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from vljepa.models.vljepa import VLJEPA
from vljepa.objectives.next_token import next_token
from vljepa.types import Losses, Tokens


@dataclass(frozen=True, kw_only=True)
class DecodingSettings:
    """`noise`: the largest length of a random step away from the unit embedding."""

    noise: float = 0.6


def with_noise(embedding: Float[Tensor, "batch dim"], largest: float) -> Float[Tensor, "batch dim"]:
    """Unit embeddings after a step in a random direction, of a random length up to `largest`."""
    step = functional.normalize(torch.randn_like(embedding), dim=-1)
    length = torch.rand(len(embedding), 1, device=embedding.device) * largest
    return functional.normalize(embedding + length * step, dim=-1)


class Decoding(nn.Module):
    """Model and loss in one module; only the Y-Decoder's own weights receive gradients."""

    def __init__(self, model: VLJEPA, settings: DecodingSettings) -> None:
        super().__init__()
        self.model = model
        self.settings = settings

    def forward(self, embedding: Float[Tensor, "batch dim"], texts: Tokens) -> Losses:
        """Losses of texts given unit embeddings; every token must be one that the decoder can say."""
        decoder = self.model.y_decoder
        wanted = torch.searchsorted(decoder.vocabulary, texts.ids[texts.mask])
        scores = decoder(with_noise(embedding, self.settings.noise), texts, self.model.token_table.weight)
        loss = next_token(scores, wanted)
        return Losses(total=loss, parts={"next_token": loss.detach()})
