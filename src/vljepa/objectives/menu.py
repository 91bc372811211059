"""The losses that a run can choose from by name: one line each, all on the same view of a batch.

| name                 | is                                                       | from                          |
|----------------------|----------------------------------------------------------|-------------------------------|
| info_nce             | bidirectional InfoNCE                                    | the paper, section 2          |
| sigmoid              | a match or none, pair by pair                            | SigLIP                        |
| cosine, l1, l2       | distance to the target alone, Y-Encoder frozen           | the paper's ablation, 4.8     |
| vicreg               | distance, variance, covariance                           | VICReg                        |
| sigreg               | distance, normality along random directions              | LeJEPA                        |
| prediction_alignment | cosine, and InfoNCE at a small weight                    | X-JEPA                        |

Cosines and what is built on them take unit vectors. L1, L2, VICReg and SIGReg take embeddings as the heads give them:
between unit vectors L2 would be the cosine again, and no coordinate could deviate by 1 as the last two want it to.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from jaxtyping import Float, Int64
from pydantic import PositiveInt
from torch import Tensor

from vljepa.config import SettingsError, meant
from vljepa.objectives.info_nce import info_nce
from vljepa.objectives.sigmoid import sigmoid
from vljepa.objectives.without_negatives import cosine, l1, l2, random_directions, sigreg, vicreg

LossName = Literal["info_nce", "sigmoid", "cosine", "l1", "l2", "vicreg", "sigreg", "prediction_alignment"]


@dataclass(frozen=True, kw_only=True)
class LossSettings:
    """Which loss, and the numbers that some of them take.

    `rows_at_once`: rows whose scores are in memory together (InfoNCE, sigmoid). `bias`: where the sigmoid's learnable
    offset begins; SigLIP has -10 with temperature 0.1. `sigreg_share`, `slices`: weight of the normality term against
    the distance, and along how many directions it looks. `contrast_weight`: of InfoNCE in prediction_alignment.
    """

    loss: LossName = "info_nce"
    rows_at_once: PositiveInt = 256
    bias: float = -10.0
    sigreg_share: float = 0.05
    slices: PositiveInt = 256
    contrast_weight: float = 0.1


@dataclass(frozen=True, kw_only=True)
class Compared:
    """A batch as a loss sees it: unit embeddings, the same as the heads give them (raw), who belongs to whom.

    `labels` and `keys` as in `Batch`; `scale` is 1 over temperature.
    """

    predicted: Float[Tensor, "batch dim"]
    targets: Float[Tensor, "text dim"]
    raw_predicted: Float[Tensor, "batch dim"]
    raw_targets: Float[Tensor, "text dim"]
    labels: Int64[Tensor, "batch"]
    keys: Int64[Tensor, "text"] | None
    scale: Float[Tensor, "1"]
    bias: Float[Tensor, "1"]

    @property
    def unit_pairs(self) -> tuple[Float[Tensor, "batch dim"], Float[Tensor, "batch dim"]]:
        """Unit predictions and the target of each."""
        return self.predicted, self.targets[self.labels]

    @property
    def raw_pairs(self) -> tuple[Float[Tensor, "batch dim"], Float[Tensor, "batch dim"]]:
        """Predictions and the target of each as the heads give them."""
        return self.raw_predicted, self.raw_targets[self.labels]


@dataclass(frozen=True, kw_only=True)
class Choice:
    """`learns`: which of the objective's own numbers it trains; `spreads`: it keeps different texts apart by itself."""

    compute: Callable[[Compared, LossSettings], Float[Tensor, ""]]
    learns: tuple[Literal["scale", "bias"], ...] = ()
    spreads: bool = True


def _info_nce(seen: Compared, settings: LossSettings) -> Float[Tensor, ""]:
    return info_nce(
        seen.predicted, seen.targets, seen.labels, seen.scale, keys=seen.keys, rows_at_once=settings.rows_at_once
    )


def _sigmoid(seen: Compared, settings: LossSettings) -> Float[Tensor, ""]:
    return sigmoid(
        seen.predicted,
        seen.targets,
        seen.labels,
        seen.scale,
        seen.bias,
        keys=seen.keys,
        rows_at_once=settings.rows_at_once,
    )


def _sigreg(seen: Compared, settings: LossSettings) -> Float[Tensor, ""]:
    predicted, own = seen.raw_pairs
    directions = random_directions(predicted.shape[1], settings.slices, predicted.device)
    return sigreg(predicted, own, directions, share=settings.sigreg_share)


def _prediction_alignment(seen: Compared, settings: LossSettings) -> Float[Tensor, ""]:
    # Unit vectors: the distance between raw ones would vanish by shrinking both, which InfoNCE cannot see.
    return cosine(*seen.unit_pairs) + settings.contrast_weight * _info_nce(seen, settings)


MENU: dict[str, Choice] = {
    "info_nce": Choice(compute=_info_nce, learns=("scale",)),
    "sigmoid": Choice(compute=_sigmoid, learns=("scale", "bias")),
    "cosine": Choice(compute=lambda seen, settings: cosine(*seen.unit_pairs), spreads=False),
    "l1": Choice(compute=lambda seen, settings: l1(*seen.raw_pairs), spreads=False),
    "l2": Choice(compute=lambda seen, settings: l2(*seen.raw_pairs), spreads=False),
    "vicreg": Choice(compute=lambda seen, settings: vicreg(*seen.raw_pairs)),
    "sigreg": Choice(compute=_sigreg),
    "prediction_alignment": Choice(compute=_prediction_alignment, learns=("scale",)),
}


def choose(name: str) -> Choice:
    """The loss of that name; SettingsError where there is none, with the nearest."""
    if name not in MENU:
        raise SettingsError(f"setting loss cannot be {name!r}{meant(name, MENU)}")
    return MENU[name]
