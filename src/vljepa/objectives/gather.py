"""All-gather whose gradient is exact: what every rank does with a row flows back to the rank that owns the row."""

import torch
from jaxtyping import Shaped
from torch import Tensor

from vljepa.runtime import rank, world_size


class _Gather(torch.autograd.Function):
    """Concatenation over ranks; its transpose is a sum over ranks of which each keeps its own slice."""

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, rows: Tensor, counts: list[int]) -> Tensor:
        ctx.counts = counts  # type: ignore[attr-defined]
        padded = rows.new_zeros(max(counts), *rows.shape[1:])
        padded[: len(rows)] = rows
        parts = [torch.empty_like(padded) for _ in counts]
        torch.distributed.all_gather(parts, padded)
        return torch.cat([part[:count] for part, count in zip(parts, counts, strict=True)])

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, *gradients: Tensor) -> tuple[Tensor, None]:
        # Every rank scales its loss so that the mean over ranks is the whole, and the engine averages gradients over
        # ranks: no factor here.
        total = gradients[0].contiguous()
        torch.distributed.all_reduce(total)
        return total.split(ctx.counts)[rank()], None  # type: ignore[attr-defined]


def rows_of_ranks(rows: Shaped[Tensor, "batch ..."]) -> list[int]:
    """How many rows each rank holds, in rank order."""
    if world_size() == 1:
        return [len(rows)]
    here = torch.tensor([len(rows)], device=rows.device)
    counts = [torch.empty_like(here) for _ in range(world_size())]
    torch.distributed.all_gather(counts, here)
    return torch.cat(counts).tolist()


def gather(rows: Shaped[Tensor, "batch ..."], counts: list[int]) -> Shaped[Tensor, "all ..."]:
    """The rows of every rank in rank order, `counts[r]` of rank r; the input itself where there is one process."""
    if world_size() == 1:
        return rows
    gathered: Tensor = _Gather.apply(rows, counts)  # type: ignore[no-untyped-call]
    return gathered


def sum_over_ranks(values: Shaped[Tensor, "..."]) -> Shaped[Tensor, "..."]:
    """The sum of every rank's values, without a gradient."""
    total = values.detach().clone()
    if world_size() > 1:
        torch.distributed.all_reduce(total)
    return total
