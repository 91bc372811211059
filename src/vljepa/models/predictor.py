"""Predictor: visual tokens and a query in, the answer's embedding S^_Y out (paper, section 3.1).

The last layers of a Llama-type language model with the causal mask switched off: nothing is generated here, so every
position may see every other. Query tokens follow the visual tokens; the read-out is the mean over all real tokens.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from vljepa.models.conse import Conse
from vljepa.models.llama import Llama, LlamaSettings


@dataclass(frozen=True, kw_only=True)
class PredictorSettings:
    """`visual_width`: numbers in a visual token; `shared`: dimensions of the space that both sides meet in.

    `classes`: of how many classes the X-Encoder tells a posterior that is said beside the answer (`conse`); 0 for none.
    Choices that experiments compare: `causal` keeps the language model's mask (the paper's ablation), `read_out` is
    what the mean is over, `query_projection` the linear layer on the query's side.
    """

    llama: LlamaSettings
    visual_width: int
    shared: int
    classes: int = 0
    causal: bool = False
    read_out: Literal["all", "query"] = "all"
    query_projection: bool = True


class Predictor(nn.Module):
    """Linear projections of both inputs, bidirectional layers, mean over real tokens, linear head."""

    def __init__(self, settings: PredictorSettings) -> None:
        super().__init__()
        self.settings = settings
        hidden = settings.llama.hidden
        self.visual_projection = nn.Linear(settings.visual_width, hidden)
        self.query_projection = nn.Linear(hidden, hidden) if settings.query_projection else nn.Identity()
        self.layers = Llama(settings.llama, causal=settings.causal)
        self.head = nn.Linear(hidden, settings.shared)
        if settings.classes:
            self.conse = Conse(classes=settings.classes, shared=settings.shared)
        # Identity leaves the language model's own embeddings untouched at the start (paper.md 9.1, point 7).
        if isinstance(self.query_projection, nn.Linear) and not self.query_projection.weight.is_meta:
            nn.init.eye_(self.query_projection.weight)
            nn.init.zeros_(self.query_projection.bias)

    def forward(
        self,
        visual: Float[Tensor, "batch token width"],
        query: Float[Tensor, "batch word hidden"],
        query_mask: Bool[Tensor, "batch word"],
    ) -> Float[Tensor, "batch shared"]:
        """Predicted embeddings, not normalised; positions count visual then query tokens, padding changes nothing."""
        dtype = self.visual_projection.weight.dtype
        tokens = torch.cat([self.visual_projection(visual.to(dtype)), self.query_projection(query.to(dtype))], dim=1)
        seen = torch.ones(visual.shape[:2], dtype=torch.bool, device=visual.device)
        mask = torch.cat([seen, query_mask], dim=1)
        # Without a mask the fastest attention kernel may be chosen.
        hidden = self.layers(tokens, real=None if bool(mask.all()) else mask)
        if self.settings.read_out == "query":
            return self.head(masked_mean(hidden[:, visual.shape[1] :], query_mask))
        return self.head(masked_mean(hidden, mask))


def masked_mean(
    hidden: Float[Tensor, "batch token dim"], mask: Bool[Tensor, "batch token"]
) -> Float[Tensor, "batch dim"]:
    """Mean over real tokens in float32: bfloat16 would lose digits over long sequences."""
    weights = mask[..., None].float()
    return ((hidden.float() * weights).sum(1) / weights.sum(1)).to(hidden.dtype)
