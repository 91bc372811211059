"""Answers that exclude each other, and how the shared space is stretched so that they lie apart."""

import torch
from torch.nn import functional

from vljepa.models.vljepa import VLJEPA
from vljepa.text import Tokenizer

OPPOSITES = (
    ("yes", "no"),
    ("left", "right"),
    ("to the left", "to the right"),
    ("to the left of it", "to the right of it"),
    ("towards the camera", "away from the camera"),
    ("in front of it", "behind it"),
    ("it moves to the left", "it moves to the right"),
    ("it opens", "it closes"),
    ("it falls", "it rises"),
)


@torch.no_grad()
def pull_apart(model: VLJEPA, tokenizer: Tokenizer, *, factor: float) -> None:
    """Stretch the Y-Encoder's head by `factor` along the few directions in which opposites differ.

    A sentence encoder puts "to the left" and "to the right" at cosine 0.97: a prediction gains next to nothing by
    telling them apart, so it never begins to learn it. What does not lie along these directions stays where it is.
    """
    device = model.token_table.weight.device
    first, second = (
        functional.normalize(model.y_encoder.pooled(tokenizer(side).to(device)).float(), dim=-1)
        for side in map(list, zip(*OPPOSITES, strict=True))
    )
    along = torch.linalg.qr((first - second).T)[0]
    head = model.y_encoder.head.weight
    head += (factor - 1) * (head @ along) @ along.T
