"""Cosines to probabilities, "none of these" included: the one place where that is decided."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from vljepa.weights.folder import Calibration


@dataclass(frozen=True, kw_only=True, eq=False)
class Calibrated:
    """One probability a candidate and the rest, `none_of_these`; together they are one."""

    probabilities: Float[Tensor, "candidate"]
    none_of_these: float


def calibrated(cosines: Float[Tensor, "candidate"], calibration: Calibration, *, asked: bool) -> Calibrated:
    """Softmax over scaled cosines and over the cosine from which "none of these" is likelier than a candidate.

    `asked`: the embedding answers a question; otherwise it is query-free. The two live at different heights.
    """
    scale = calibration.asked_scale if asked else calibration.scale
    background = calibration.asked_background if asked else calibration.background
    logits = scale * torch.cat([cosines.double().cpu(), torch.tensor([background], dtype=torch.float64)])
    shares = logits.softmax(0)
    return Calibrated(probabilities=shares[:-1].float(), none_of_these=float(shares[-1]))
