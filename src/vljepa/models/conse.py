"""The picture classifier's opinion, said in the shared space beside the answer (ConSE, Norouzi et al. 2014).

A frozen classifier names a thousand things without one image-text pair: its posterior times the embeddings of the class
names is an answer already. It is added after training, when nothing was asked: a head that is trained with it learns
the pairs that it has by heart and forgets what it was given (LOG.md).
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

TOP = 10


class Conse(nn.Module):
    """`names`: what each class is in the shared space; `weight`: how much of the opinion is added, 0 until fitted."""

    names: Tensor
    weight: Tensor

    def __init__(self, *, classes: int, shared: int) -> None:
        super().__init__()
        self.register_buffer("names", torch.zeros(classes, shared))
        self.register_buffer("weight", torch.zeros(1))

    def forward(self, posterior: Float[Tensor, "batch classes"]) -> Float[Tensor, "batch shared"]:
        """What is added to a unit answer: the shorter, the less sure the classifier is."""
        return self.weight.float() * self.opinion(posterior)

    def opinion(self, posterior: Float[Tensor, "batch classes"]) -> Float[Tensor, "batch shared"]:
        """The TOP likeliest classes' names by their probabilities, at most as long as 1."""
        sure, places = posterior.float().topk(TOP)
        return (sure[..., None] * self.names.float()[places]).sum(1)

    def say(self, names: Float[Tensor, "classes shared"]) -> None:
        """Let each class be what these embeddings say, without what all of them have in common."""
        self.names.copy_(functional.normalize(names - names.mean(0), dim=-1))
