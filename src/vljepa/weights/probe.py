"""A fixed input through every part, and a few numbers of what comes out: how a folder proves that it still computes.

The input is made by formulas and not drawn, so that it is the same on every machine and in every version. Of each
part's output its size is kept and eight sums over all of it, weighted with waves: whatever changes, changes them.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from vljepa.data.processor import Processor
from vljepa.models.vljepa import VLJEPA
from vljepa.types import Tokens

FRAMES = 2
WORDS = 12
WAVES = 8


@dataclass(frozen=True, kw_only=True)
class Probed:
    """What was found of a part: its parameters, how many of them are no numbers, its output's size and sums."""

    parameters: int
    not_finite: int
    size: float
    sums: tuple[float, ...]


@torch.inference_mode()
def probe(model: VLJEPA, processor: Processor) -> dict[str, Probed]:
    """Every part of an opened model by its name; the token table counts for the Predictor, whose words it holds."""
    device = model.token_table.weight.device
    pixels = processor.pixels(_frames(processor.settings.resolution).to(device))
    visual = model.x_encoder(pixels[None])
    words = _words(model.settings.vocab).to(device)
    predicted = model.predict(visual, words)
    outputs: dict[str, tuple[nn.Module, Tensor]] = {
        "x_encoder": (model.x_encoder, visual),
        "predictor": (model.predictor, predicted),
        "y_encoder": (model.y_encoder, model.encode_text(_words(model.settings.y_encoder.vocab).to(device))),
        "token_table": (model.token_table, model.token_table(words.ids)),
    }
    if model.settings.y_decoder is not None:
        said = model.y_decoder(_wave(predicted), words, model.token_table.weight)
        outputs["y_decoder"] = (model.y_decoder, said)
    return {name: _probed(part, output) for name, (part, output) in outputs.items()}


def _frames(side: int) -> UInt8[Tensor, "time 3 side side"]:
    """Two pictures of coloured stripes that move."""
    time, colour, row, column = torch.meshgrid(*map(torch.arange, (FRAMES, 3, side, side)), indexing="ij")
    return ((7 * row + 5 * column + 85 * colour + 31 * time) % 256).to(torch.uint8)


def _words(vocab: int) -> Tokens:
    """Token numbers from all over the vocabulary; the last two positions are padding."""
    ids = (torch.arange(WORDS) * (vocab // WORDS) + 1)[None] % vocab
    return Tokens(ids=ids, mask=torch.arange(WORDS)[None] < WORDS - 2)


def _wave(like: Tensor) -> Tensor:
    """A fixed embedding of the same shape."""
    return torch.arange(like.numel(), device=like.device).float().mul(0.7).cos().view_as(like)


def _probed(part: nn.Module, output: Tensor) -> Probed:
    weights = list(part.parameters())
    numbers = output.detach().flatten().double().cpu()
    return Probed(
        parameters=sum(weight.numel() for weight in weights),
        not_finite=sum(int((~weight.isfinite()).sum()) for weight in weights),
        size=round(float(numbers.norm()), 9),
        sums=tuple(round(float(number), 9) for number in _sums(numbers)),
    )


def _sums(numbers: Float[Tensor, "number"]) -> Float[Tensor, "wave"]:
    """Sums over all numbers, weighted with waves of eight lengths, in shares of the numbers' size."""
    place = torch.arange(len(numbers), dtype=numbers.dtype)
    waves = torch.stack([(place * (1 + wave) * math.e).cos() @ numbers for wave in range(WAVES)])
    return waves / numbers.norm().clamp(min=1e-30)
