"""What the model must beat: the frozen classifier with class names (ConSE), and a plain head on pooled features."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from vljepa.models.conse import TOP, centred_names, opinion


def conse(
    posterior: Float[Tensor, "item classes"], names: Float[Tensor, "classes dim"], *, top: int = TOP
) -> Float[Tensor, "item dim"]:
    """Class posterior times class-name embeddings (Norouzi et al. 2014), names centred, the `top` classes only."""
    return functional.normalize(opinion(posterior, centred_names(names), top=top), dim=-1)


def centred(texts: Float[Tensor, "text dim"], names: Float[Tensor, "classes dim"]) -> Float[Tensor, "text dim"]:
    """Texts on the same side of the class names' mean, as `conse` expects its candidates."""
    return functional.normalize(texts - names.mean(0), dim=-1)


def trained_head(
    features: Float[Tensor, "pair channel"], texts: Float[Tensor, "pair dim"], *, epochs: int = 25, seed: int = 0
) -> nn.Module:
    """A two-layer head from pooled features to a frozen text space: InfoNCE at temperature 0.07, batches of 256."""
    torch.manual_seed(seed)
    head = nn.Sequential(nn.Linear(features.shape[1], 1024), nn.GELU(), nn.Linear(1024, texts.shape[1]))
    optimizer = torch.optim.AdamW(head.parameters(), lr=1e-3, weight_decay=0.01)
    for _ in range(epochs):
        for rows in torch.randperm(len(features)).split(256):
            predicted = functional.normalize(head(features[rows]), dim=-1)
            scores = predicted @ texts[rows].T / 0.07
            own = torch.arange(len(rows))
            loss = (functional.cross_entropy(scores, own) + functional.cross_entropy(scores.T, own)) / 2
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return head.eval().requires_grad_(False)
