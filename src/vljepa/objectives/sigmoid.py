"""SigLIP's loss (Zhai et al. 2023): every pair by itself is a match or is none, without a normaliser over the batch."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from vljepa.objectives.columns import all_columns, scores_dtype
from vljepa.objectives.gather import rows_of_ranks
from vljepa.runtime import world_size


def sigmoid(
    predicted: Float[Tensor, "batch dim"],
    targets: Float[Tensor, "text dim"],
    labels: Int64[Tensor, "batch"],
    scale: Float[Tensor, "1"],
    bias: Float[Tensor, "1"],
    *,
    keys: Int64[Tensor, "text"] | None = None,
    rows_at_once: int = 256,
) -> Float[Tensor, ""]:
    """Sum of -log sigmoid(+-(scale * cosine + bias)) over all pairs, divided by the number of rows.

    Inputs are unit vectors. `keys` as in `all_columns`; over ranks as in `info_nce`. Scores of `rows_at_once` rows are
    kept at a time and computed anew in the backward pass.
    """
    columns, own = all_columns(targets, labels, keys)
    dtype = scores_dtype(predicted)
    predicted, columns = predicted.to(dtype), columns.to(dtype)
    total = torch.zeros((), device=predicted.device)
    for some, mine in zip(predicted.split(rows_at_once), own.split(rows_at_once), strict=True):
        total = total + checkpoint(_some_rows, some, columns, mine, scale, bias, use_reentrant=False)
    return world_size() * total / sum(rows_of_ranks(labels))


def _some_rows(
    predicted: Float[Tensor, "some dim"],
    columns: Float[Tensor, "column dim"],
    own: Int64[Tensor, "some"],
    scale: Float[Tensor, "1"],
    bias: Float[Tensor, "1"],
) -> Float[Tensor, ""]:
    scores = scale * (predicted @ columns.T).float() + bias
    # -log sigmoid(-s) for all pairs is softplus(s); a match has softplus(-s) = softplus(s) - s instead.
    return functional.softplus(scores).sum() - scores.gather(1, own[:, None]).sum()
