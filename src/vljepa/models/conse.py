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


def centred_names(names: Float[Tensor, "classes shared"]) -> Float[Tensor, "classes shared"]:
    """What each name says beside what all of them have in common, at length one."""
    return functional.normalize(names - names.mean(0), dim=-1)


def opinion(
    posterior: Float[Tensor, "batch classes"], names: Float[Tensor, "classes shared"], *, top: int = TOP
) -> Float[Tensor, "batch shared"]:
    """The `top` likeliest classes' centred names by their probabilities, at most as long as 1."""
    sure, places = posterior.topk(top)
    return (sure[..., None] * names[places]).sum(1)


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
        return opinion(posterior.float(), self.names.float())

    def say(self, names: Float[Tensor, "classes shared"]) -> None:
        """Let each class be what these embeddings say, without what all of them have in common."""
        self.names.copy_(centred_names(names))
