"""Bidirectional InfoNCE over the batches of all ranks, exact, in memory that grows with the batch and not its square.

CLIP's loss (Radford et al. 2021), which the paper cites for section 2. Each rank compares its own predictions with the
targets of all ranks, some rows at a time. The rows' log-sum-exp is complete at once; that of the columns is a running
one over the rows, then over the ranks. The backward pass computes the scores of some rows anew, since keeping them is
what takes memory: four matrix products instead of the six of two score matrices that are kept.
"""

from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.autograd.function import once_differentiable

from vljepa.objectives.columns import all_columns, scores_dtype
from vljepa.objectives.gather import sum_over_ranks
from vljepa.runtime import world_size


def info_nce(
    predicted: Float[Tensor, "batch dim"],
    targets: Float[Tensor, "text dim"],
    labels: Int64[Tensor, "batch"],
    scale: Float[Tensor, "1"],
    *,
    keys: Int64[Tensor, "text"] | None = None,
    rows_at_once: int = 256,
) -> Float[Tensor, ""]:
    """Each prediction must pick its own target among all, and each target its own predictions among all.

    Inputs are unit vectors and `scale` is 1 over temperature. With one text a row (labels 0, 1, 2 ...) this is CLIP's
    loss. A target that several rows share must find each of them; one that belongs to no row is only a negative.
    `keys`: see `all_columns`. Across ranks the mean over ranks, of the loss as of every gradient, is that of the whole
    batch in one process. `rows_at_once` changes memory and speed alone.
    """
    columns, own = all_columns(targets, labels, keys)
    dtype = scores_dtype(predicted)
    loss: Tensor = _InfoNCE.apply(  # type: ignore[no-untyped-call]
        predicted.to(dtype), columns.to(dtype), scale, own, rows_at_once
    )
    return loss


class _InfoNCE(torch.autograd.Function):
    """The loss and its written-out gradient; log-sum-exps and everything after them are in float32."""

    @staticmethod
    def forward(  # noqa: PLR0917 - torch passes everything by position
        ctx: Any,
        predicted: Float[Tensor, "batch dim"],
        columns: Float[Tensor, "column dim"],
        scale: Float[Tensor, "1"],
        own: Int64[Tensor, "batch"],
        rows_at_once: int,
    ) -> Float[Tensor, ""]:
        of_rows, matched = [], []
        of_columns = torch.full((len(columns),), -torch.inf, device=columns.device)
        kept, spare = _two_buffers(predicted, columns, rows_at_once)
        for some in _slices(len(predicted), rows_at_once):
            scores = _scores(predicted[some], columns, scale, into=kept)
            of_rows.append(_log_sum_exp(scores, 1, spare))
            of_columns = torch.logaddexp(of_columns, _log_sum_exp(scores, 0, spare))
            matched.append(scores.gather(1, own[some, None])[:, 0])
        row_sums, column_sums = torch.cat(of_rows), _over_ranks(of_columns)
        positives = sum_over_ranks(torch.bincount(own, minlength=len(columns)))
        # The loss is a weighted mean of row terms and of column terms: rows count alike, and owned columns do.
        row_weight = 1 / positives.sum()
        column_weight = (positives > 0) / (positives > 0).sum()
        pair_weight = column_weight[own] / positives[own]
        # The gradient's weights go into its exponents: a column that nobody owns has weight exp(-infinity).
        row_shift, column_shift = row_sums - row_weight.log(), column_sums - column_weight.log()
        ctx.save_for_backward(predicted, columns, scale, own, row_shift, column_shift, row_weight + pair_weight)
        ctx.rows_at_once = rows_at_once
        own_scores = torch.cat(matched)
        forward = row_weight * (row_sums - own_scores).sum()
        backward = (pair_weight * (column_sums[own] - own_scores)).sum()
        return world_size() * (forward + backward) / 2

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Float[Tensor, ""]) -> tuple[Tensor, Tensor, Tensor, None, None]:
        predicted, columns, scale, own, row_shift, column_shift, pair_weight = ctx.saved_tensors
        to_predicted = torch.empty_like(predicted, dtype=torch.float32)
        to_columns = torch.zeros_like(columns, dtype=torch.float32)
        to_scale = torch.zeros_like(scale)
        kept, spare = _two_buffers(predicted, columns, ctx.rows_at_once)
        for some in _slices(len(predicted), ctx.rows_at_once):
            scores = _scores(predicted[some], columns, scale, into=kept)
            weights = torch.sub(scores, row_shift[some, None], out=spare[: len(scores)]).exp_()
            weights += scores.sub_(column_shift).exp_()
            weights.scatter_add_(1, own[some, None], -pair_weight[some, None])
            weights = weights.to(columns.dtype)
            to_predicted[some] = weights @ columns
            _add_product(to_columns, weights.T, predicted[some])
            to_scale += (to_predicted[some] * predicted[some]).sum()
        factor = gradient * world_size() / 2
        to_predicted *= factor * scale
        to_columns *= factor * scale
        return to_predicted.to(predicted.dtype), to_columns.to(columns.dtype), factor * to_scale, None, None


def _slices(rows: int, rows_at_once: int) -> Iterator[slice]:
    return (slice(start, start + rows_at_once) for start in range(0, rows, rows_at_once))


def _two_buffers(
    predicted: Float[Tensor, "batch dim"], columns: Float[Tensor, "column dim"], rows_at_once: int
) -> list[Float[Tensor, "some column"]]:
    """Room for the scores of some rows and for what is made of them.

    Used for all slices in turn: tensors of this size, made anew each time, leave a heap so full of holes that a
    process at the paper's batch grew to five times what it holds (LOG.md).
    """
    most = min(rows_at_once, len(predicted))
    return [torch.empty(most, len(columns), device=predicted.device) for _ in range(2)]


def _scores(
    predicted: Float[Tensor, "some dim"],
    columns: Float[Tensor, "column dim"],
    scale: Float[Tensor, "1"],
    *,
    into: Float[Tensor, "most column"],
) -> Float[Tensor, "some column"]:
    room = into[: len(predicted)]
    if predicted.dtype == room.dtype:
        torch.mm(predicted, columns.T, out=room)
    else:
        room.copy_(predicted @ columns.T)
    return room.mul_(scale)


def _log_sum_exp(
    scores: Float[Tensor, "some column"], dim: int, spare: Float[Tensor, "most column"]
) -> Float[Tensor, "left"]:
    """torch.logsumexp, whose exponentials take a tensor of their own each time, in the room that is there."""
    largest = scores.amax(dim, keepdim=True)
    return torch.sub(scores, largest, out=spare[: len(scores)]).exp_().sum(dim).log_().add_(largest.squeeze(dim))


def _add_product(
    total: Float[Tensor, "column dim"], left: Float[Tensor, "column some"], right: Float[Tensor, "some dim"]
) -> None:
    """Add a product to a float32 sum, without a copy of its size where the factors are float32 too."""
    if left.dtype == total.dtype:
        total.addmm_(left, right)
    else:
        total += left @ right


def _over_ranks(sums: Float[Tensor, "column"]) -> Float[Tensor, "column"]:
    """Log-sum-exps over the rows of all ranks from those over the rows of each."""
    if world_size() == 1:
        return sums
    parts = [torch.empty_like(sums) for _ in range(world_size())]
    torch.distributed.all_gather(parts, sums)
    return torch.stack(parts).logsumexp(0)
