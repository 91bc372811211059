"""The columns that predictions choose among: the target embeddings of every rank, equal texts once where wanted."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from vljepa.objectives.gather import gather, rows_of_ranks
from vljepa.runtime import rank, world_size


def all_columns(
    targets: Float[Tensor, "text dim"], labels: Int64[Tensor, "batch"], keys: Int64[Tensor, "text"] | None
) -> tuple[Float[Tensor, "column dim"], Int64[Tensor, "batch"]]:
    """Targets of all ranks, and which of them is the own one of each row of this rank.

    `keys`: numbers that equal texts share. With them a text that several ranks hold is one column with several
    positives, as `collate` has already made it within each rank; without them every target is a column of its own,
    which is the paper's form.
    """
    counts = rows_of_ranks(targets)
    columns = gather(targets, counts)
    own = labels + sum(counts[: rank()])
    if keys is None or world_size() == 1:
        return columns, own
    distinct, place = gather(keys, counts).unique(return_inverse=True)
    every = torch.arange(len(place), device=place.device)
    first = torch.full_like(distinct, len(place)).scatter_reduce(0, place, every, "amin")
    return columns[first], place[own]


def scores_dtype(embeddings: Float[Tensor, "batch dim"]) -> torch.dtype:
    """The number type of the products between rows and columns: that of autocast where it is on."""
    device = embeddings.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else embeddings.dtype
