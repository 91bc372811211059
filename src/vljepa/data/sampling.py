"""Which frames of a video stand for it: the rules of the field by their names, so that comparisons are like with like.

Every rule takes how many frames are wanted and how many there are, and gives their numbers in ascending order; where
there are fewer than wanted, some are taken several times, as the rule has it. One frame is the middle one, but for the
two rules whose formula says otherwise ("hugging face": the first; "segment centres": the middle by itself).
"""

from collections.abc import Callable, Sequence
from typing import Literal, get_args

import numpy as np

Sampling = Literal[
    "seconds", "linspace, rounded", "linspace, floor", "perception encoder", "hugging face", "segment centres"
]
SAMPLINGS: tuple[Sampling, ...] = get_args(Sampling)


def _rounded(wanted: int, total: int) -> list[int]:
    """MTEB, and the paper as we read it: both ends, nearest frames (halves to the even one, as NumPy rounds)."""
    return [int(number) for number in np.linspace(0, total - 1, wanted).round()]


def _floor(wanted: int, total: int) -> list[int]:
    """open-vljepa and many more: both ends, `np.linspace(...).astype(int)` with its rounding errors."""
    return [int(number) for number in np.linspace(0, total - 1, wanted)]


def _perception_encoder(wanted: int, total: int) -> list[int]:
    """PE: `int(i * (T - 1) / (n - 1))`, which differs from the floor of linspace where that falls just short."""
    return [int(number * (total - 1) / (wanted - 1)) for number in range(wanted)]


def _hugging_face(wanted: int, total: int) -> list[int]:
    """transformers' video processors: `arange(n) * T // n`; never the last frame, and its first for one."""
    return [number * total // wanted for number in range(wanted)]


def _segment_centres(wanted: int, total: int) -> list[int]:
    """CLIP4Clip and most video language models: the middle of each of n equal stretches."""
    return [int((number + 0.5) * total / wanted) for number in range(wanted)]


_RULES: dict[Sampling, Callable[[int, int], list[int]]] = {
    "linspace, rounded": _rounded,
    "linspace, floor": _floor,
    "perception encoder": _perception_encoder,
    "hugging face": _hugging_face,
    "segment centres": _segment_centres,
}
# As receipts tell them: of T frames n are taken, number i of them ...
_TOLD: dict[Sampling, str] = {
    "seconds": "linspace from the first to the last frame, nearest frames",
    "linspace, rounded": "linspace(0, T - 1, n), rounded",
    "linspace, floor": "linspace(0, T - 1, n), rounded down",
    "perception encoder": "i * (T - 1) / (n - 1), rounded down",
    "hugging face": "i * T / n, rounded down",
    "segment centres": "(i + 0.5) * T / n, rounded down",
}
_MIDDLE_FOR_ONE: tuple[Sampling, ...] = ("linspace, rounded", "linspace, floor", "perception encoder")


def told(sampling: Sampling) -> str:
    """The rule in words, for receipts."""
    return f"{_TOLD[sampling]}; a picture is one frame"


def frame_numbers(sampling: Sampling, *, wanted: int, total: int) -> list[int]:
    """The numbers of the frames that the rule takes. ValueError for the one rule that goes by seconds instead."""
    if wanted < 1 or total < 1:
        raise ValueError(f"{wanted} of {total} frames cannot be chosen: both must be at least 1")
    if sampling not in _RULES:
        raise ValueError(f"sampling {sampling!r} counts no frames: choose one of {', '.join(map(repr, _RULES))}")
    if wanted == 1 and sampling in _MIDDLE_FOR_ONE:
        return [total // 2]
    return _RULES[sampling](wanted, total)


def chosen_times(sampling: Sampling, times: Sequence[float], *, wanted: int) -> list[float]:
    """The seconds of the frames that the rule takes of those at `times`."""
    return [times[number] for number in frame_numbers(sampling, wanted=wanted, total=len(times))]
