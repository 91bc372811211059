"""The picture classifier's opinion said in the shared space, straight into the answer (ConSE, Norouzi et al. 2014).

A frozen classifier names a thousand things without one image-text pair: the posterior times the embeddings of the class
names is an answer already, and the Predictor only has to learn what differs from it.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Conse(nn.Module):
    """`names`: what each class is in the shared space; `trust`: how far the opinion answers what was asked."""

    def __init__(self, *, classes: int, hidden: int, shared: int) -> None:
        super().__init__()
        self.names = nn.Linear(classes, shared, bias=False)
        self.trust = nn.Linear(hidden, 1)
        # At the start it is trusted wholly, whatever is asked.
        if not self.trust.weight.is_meta:
            nn.init.zeros_(self.trust.weight)
            nn.init.ones_(self.trust.bias)

    def forward(
        self, posterior: Float[Tensor, "batch classes"], state: Float[Tensor, "batch hidden"]
    ) -> Float[Tensor, "batch shared"]:
        """What is added to the answer of a Predictor whose pooled state is `state`."""
        said: Float[Tensor, "batch shared"] = self.names(posterior.to(self.names.weight.dtype))
        return self.trust(state) * said

    @torch.no_grad()
    def say(self, names: Float[Tensor, "classes shared"]) -> None:
        """Let each class be what these embeddings say."""
        self.names.weight.copy_(names.T)
