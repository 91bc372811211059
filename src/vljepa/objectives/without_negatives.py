"""Losses that compare a prediction with its own target alone, and two of them with a term that prevents collapse.

Cosine, L1 and L2 are those of the paper's ablation (section 4.8), where the text encoder is frozen: nothing in them
keeps embeddings apart. VICReg (Bardes et al. 2022) and SIGReg (Balestriero and LeCun 2025, LeJEPA) look at how the
embeddings of the whole batch, of all ranks, are spread. `own`: the target of each row.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from vljepa.objectives.gather import gather, rows_of_ranks
from vljepa.runtime import world_size


def cosine(predicted: Float[Tensor, "batch dim"], own: Float[Tensor, "batch dim"]) -> Float[Tensor, ""]:
    """Mean of 1 - cosine between unit vectors."""
    return (1 - (predicted * own).sum(-1)).mean()


def l1(predicted: Float[Tensor, "batch dim"], own: Float[Tensor, "batch dim"]) -> Float[Tensor, ""]:
    """Mean absolute difference of a coordinate."""
    return functional.l1_loss(predicted, own)


def l2(predicted: Float[Tensor, "batch dim"], own: Float[Tensor, "batch dim"]) -> Float[Tensor, ""]:
    """Mean squared difference of a coordinate."""
    return functional.mse_loss(predicted, own)


def vicreg(
    predicted: Float[Tensor, "batch dim"],
    own: Float[Tensor, "batch dim"],
    *,
    invariance: float = 25.0,
    variance: float = 25.0,
    covariance: float = 1.0,
) -> Float[Tensor, ""]:
    """Invariance (L2), variance (each coordinate's deviation at least 1) and covariance (coordinates unrelated).

    Weights are the paper's; two rows at least.
    """
    sides = [_of_all_ranks(rows) for rows in (predicted, own)]
    spread = sum(_too_narrow(rows) / 2 for rows in sides)
    related = sum(_related(rows) for rows in sides)
    return invariance * l2(predicted, own) + variance * spread + covariance * related


def _too_narrow(rows: Float[Tensor, "all dim"]) -> Float[Tensor, ""]:
    return functional.relu(1 - (rows.var(0) + 1e-4).sqrt()).mean()


def _related(rows: Float[Tensor, "all dim"]) -> Float[Tensor, ""]:
    """Squared covariances between different coordinates, summed and divided by the number of coordinates."""
    with torch.autocast(rows.device.type, enabled=False):
        covariances = rows.T.cov()
    return (covariances.square().sum() - covariances.diagonal().square().sum()) / rows.shape[1]


def sigreg(
    predicted: Float[Tensor, "batch dim"],
    own: Float[Tensor, "batch dim"],
    directions: Float[Tensor, "dim slice"],
    *,
    share: float,
) -> Float[Tensor, ""]:
    """(1 - share) of L2, and `share` of how far both sides are from an isotropic normal distribution (LeJEPA)."""
    sides = [_of_all_ranks(rows) for rows in (predicted, own)]
    far = sum(from_normal(rows, directions) / 2 for rows in sides)
    return (1 - share) * l2(predicted, own) + share * far


def from_normal(
    rows: Float[Tensor, "all dim"], directions: Float[Tensor, "dim slice"], *, largest: float = 3.0, knots: int = 17
) -> Float[Tensor, ""]:
    """Epps-Pulley statistic against N(0, 1) of the rows along each unit direction, averaged over directions.

    The statistic is rows * integral of |empirical - normal characteristic function|^2 exp(-t^2 / 2) dt, by the
    trapezoidal rule on `knots` points from 0 to `largest`, doubled, as in LeJEPA's own code.
    """
    points = torch.linspace(0, largest, knots, device=rows.device)
    normal = (-points.square() / 2).exp()
    with torch.autocast(rows.device.type, enabled=False):
        along = (rows @ directions)[..., None] * points
    distance = (along.cos().mean(0) - normal).square() + along.sin().mean(0).square()
    return len(rows) * 2 * torch.trapezoid(distance * normal, points).mean()


def random_directions(dim: int, slices: int, device: torch.device) -> Float[Tensor, "dim slice"]:
    """Unit vectors from the random state; every rank gets those of the first."""
    directions = functional.normalize(torch.randn(dim, slices, device=device), dim=0)
    if world_size() > 1:
        torch.distributed.broadcast(directions, 0)
    return directions


def _of_all_ranks(rows: Float[Tensor, "batch dim"]) -> Float[Tensor, "all dim"]:
    return gather(rows, rows_of_ranks(rows))
