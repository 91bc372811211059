"""Embeddings of streams that never were: scenes with known cuts, and what nobody would film."""

import math

import torch
from torch import Tensor

HOP, WINDOW = 0.5, 2.0
DIM = 32


def window_times(num: int) -> list[tuple[float, float]]:
    """Windows of two seconds, two a second."""
    return [(place * HOP, place * HOP + WINDOW) for place in range(num)]


def scenes(*lengths: int, noise: float = 0.0, seed: int = 0) -> Tensor:
    """A random direction for each stretch of windows, with noise of that length on each window."""
    generator = torch.Generator().manual_seed(seed)
    centres = torch.randn(len(lengths), DIM, generator=generator) / math.sqrt(DIM)
    rows = centres.repeat_interleave(torch.tensor(lengths), dim=0)
    return rows + noise * torch.randn(rows.shape, generator=generator) / math.sqrt(DIM)


def planted(num_windows: int, *, noise: float, seed: int) -> tuple[Tensor, list[float]]:
    """Scenes of 6 to 45 windows, and the seconds at which they meet."""
    generator = torch.Generator().manual_seed(1000 + seed)
    lengths: list[int] = []
    while sum(lengths) < num_windows:
        lengths.append(int(torch.randint(6, 46, (1,), generator=generator)))
    firsts = torch.tensor(lengths).cumsum(dim=0)[:-1]
    return scenes(*lengths, noise=noise, seed=seed), [(float(first) - 0.5) * HOP + WINDOW / 2 for first in firsts]


def adversarial(name: str, num_windows: int) -> Tensor:
    """Streams that would make a rule speak all the time, or save up and then speak too much."""
    generator = torch.Generator().manual_seed(7)
    place = torch.arange(num_windows)
    white = torch.randn(num_windows, DIM, generator=generator)
    pure = torch.eye(DIM)
    match name:
        case "white noise":
            return white
        case "flicker":
            return pure[place % 2]
        case "new scene every two seconds":
            return pure[place // 4 % DIM]
        case "calm, then bursts":
            return torch.where((place % 200 < 140)[:, None], pure[0].expand(num_windows, DIM), white)
        case "turning":
            angle = place * 0.2
            return angle.cos()[:, None] * pure[0] + angle.sin()[:, None] * pure[1]
        case "growing steps":
            step = place // 5
            return pure[0] + (step / 30)[:, None] * pure[1 + step % 20]
    raise ValueError(name)
