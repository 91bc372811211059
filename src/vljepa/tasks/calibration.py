"""Cosines to probabilities, "none of these" included: the one place where that is decided."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from vljepa.weights.calibration import Pair


@dataclass(frozen=True, kw_only=True, eq=False)
class Calibrated:
    """One probability a candidate and the rest, `none_of_these`; together they are one."""

    probabilities: Float[Tensor, "candidate"]
    none_of_these: float


def calibrated(cosines: Float[Tensor, "candidate"], pair: Pair) -> Calibrated:
    """Softmax over scaled cosines and over the cosine from which "none of these" is likelier than a candidate.

    `pair`: that of what the embedding looked at and was asked (`Calibration.of`), since each lives at other heights.
    """
    logits = pair.scale * torch.cat([cosines.double().cpu(), torch.tensor([pair.background], dtype=torch.float64)])
    shares = logits.softmax(0)
    return Calibrated(probabilities=shares[:-1].float(), none_of_these=float(shares[-1]))
