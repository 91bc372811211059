"""The token VLM's objective: the next token of the answer (paper, section 4.5), on the batches that VL-JEPA gets."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional

from vljepa.models.token_vlm import TokenVLM
from vljepa.objectives.gather import sum_over_ranks
from vljepa.runtime import world_size
from vljepa.types import Batch, Losses, Tokens


def next_token(scores: Float[Tensor, "token vocab"], wanted: Int64[Tensor, "token"]) -> Float[Tensor, ""]:
    """Cross-entropy, scaled so that its mean over ranks is the mean over the tokens of all.

    Ranks hold texts of unlike length, so the mean of their means would be another number.
    """
    tokens = sum_over_ranks(torch.tensor(float(len(wanted)), device=scores.device))
    return functional.cross_entropy(scores.float(), wanted) * (len(wanted) * world_size() / tokens)


class NextToken(nn.Module):
    """Model and loss in one module; texts that are wrong, which `Batch.targets` may hold too, are not looked at."""

    def __init__(self, model: TokenVLM) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: Batch) -> Losses:
        """Losses of one batch, whose targets are tokens of the language model."""
        texts = Tokens(ids=batch.targets.ids[batch.labels], mask=batch.targets.mask[batch.labels])
        scores = self.model(self.model.x_encoder.tokens(batch.frames), batch.query, texts)
        loss = next_token(scores, texts.ids[texts.mask])
        return Losses(total=loss, parts={"next_token": loss.detach()})
