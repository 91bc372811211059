"""Parameter groups and schedule: new parts at full rate, the Y-Encoder's body at a twentieth (paper, section 3.1)."""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from vljepa.models.token_vlm import TokenVLM
from vljepa.models.vljepa import VLJEPA

Shape = Literal["cosine", "constant"]


@dataclass(frozen=True, kw_only=True)
class OptimSettings:
    """AdamW; rates are multiplied by `schedule(step)`. `y_encoder_factor` covers the body, not its new head
    (in `small`, 0 keeps both still).

    `x_encoder_factor` is for an X-Encoder that learns (the paper's last stage of pretraining). Adapters have `rate`.
    `scale_factor` is for the temperature and the sigmoid's bias, single numbers that have far to go in few steps.
    """

    rate: float = 5e-4
    y_encoder_factor: float = 0.05
    x_encoder_factor: float = 0.2
    projection_factor: float = 3.0
    scale_factor: float = 4.0
    weight_decay: float = 0.01
    betas: tuple[float, float] = (0.9, 0.95)
    clip: float = 1.0
    warmup: int = 30
    shape: Shape = "cosine"


@dataclass(frozen=True, kw_only=True)
class Group:
    """Parameters that share a rate; `name` is for the table that a run prints."""

    name: str
    parameters: list[nn.Parameter]
    rate: float
    decay: float

    @property
    def count(self) -> int:
        """How many numbers the group trains."""
        return sum(parameter.numel() for parameter in self.parameters)


def parameter_groups(objective: nn.Module, model: VLJEPA | TokenVLM, settings: OptimSettings) -> list[Group]:
    """Every trainable parameter in exactly one group; norms, biases and the temperature do not decay.

    The sentence encoder's token table stays frozen, as the language model's does: a word that training never shows
    must not drift away from its neighbours.
    """
    if isinstance(model, VLJEPA):
        model.y_encoder.body.embeddings.requires_grad_(False)
    rates = {
        "generator.layers": settings.rate,
        "generator": settings.rate * settings.projection_factor,
        "predictor.layers": settings.rate,
        "predictor": settings.rate * settings.projection_factor,
        "y_encoder.body": settings.rate * settings.y_encoder_factor,
        "y_encoder.head": settings.rate,
        "x_encoder": settings.rate * settings.x_encoder_factor,
        "y_decoder": settings.rate,
        "log_scale": settings.rate * settings.scale_factor,
        "bias": settings.rate * settings.scale_factor,
    }
    found: dict[tuple[str, bool], list[nn.Parameter]] = {}
    for name, parameter in objective.named_parameters():
        if parameter.requires_grad:
            own = name.removeprefix("model.")
            part = next((prefix for prefix in rates if own.startswith(prefix)), None)
            if part is None:
                raise ValueError(f"parameter {name} belongs to no group: freeze it or give it a rate")
            if ".lora_" in own:
                part = f"{part} adapters"
            found.setdefault((part, parameter.ndim > 1), []).append(parameter)
    return [
        Group(
            name=part + ("" if decays else " (norms, biases)"),
            parameters=parameters,
            rate=rates.get(part, settings.rate),
            decay=settings.weight_decay if decays else 0.0,
        )
        for (part, decays), parameters in found.items()
    ]


def make_optimizer(groups: list[Group], settings: OptimSettings) -> torch.optim.AdamW:
    """AdamW over the groups; each remembers its own full rate."""
    return torch.optim.AdamW(
        [
            {"params": group.parameters, "lr": group.rate, "full_rate": group.rate, "weight_decay": group.decay}
            for group in groups
        ],
        betas=settings.betas,
        fused=True,
    )


def schedule(step: int, *, steps: int, warmup: int, shape: Shape = "cosine") -> float:
    """Linear warm-up, then half a cosine to zero at `steps`, or the full rate to the end."""
    if step < warmup:
        return (step + 1) / warmup
    if shape == "constant":
        return 1.0
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


def set_rates(optimizer: torch.optim.Optimizer, factor: float) -> None:
    """Every group's rate as a share of its full rate."""
    for group in optimizer.param_groups:
        group["lr"] = group["full_rate"] * factor
