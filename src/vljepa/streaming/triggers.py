"""Watch for what a text says: embeddings of a stream's windows in, firings out.

How like a window and a text are says little by itself: some windows are like every text, and some texts like every
window, so that a cosine that is high for one is low for another. Here a text has to stand out among everyday captions.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import resources

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from vljepa.streaming.selective import WindowTimes
from vljepa.types import check_text

HIGHEST_THRESHOLD = 20.0
# After firing, the score has to fall below this share of the threshold before the trigger is ready again.
_RELEASE = 0.75
_TINY = 1e-6


@dataclass(frozen=True, kw_only=True)
class TriggerSettings:
    """What to watch for, and how surely.

    `threshold` is a standard score: by how many standard deviations a text has to lie above the everyday captions.
    `cooldown`: seconds after a firing in which the same text does not fire again.
    """

    texts: tuple[str, ...] = ()
    threshold: float = 3.0
    cooldown: float = 10.0

    def __post_init__(self) -> None:
        texts = [check_text(text, what=f"trigger number {number}") for number, text in enumerate(self.texts, start=1)]
        for place, text in enumerate(texts):
            if text in texts[:place]:
                raise ValueError(f"the trigger {text!r} stands there twice: take one out")
        if not 0 < self.threshold <= HIGHEST_THRESHOLD:
            raise ValueError(
                f"the threshold is {self.threshold:g}: give standard deviations above 0, at most {HIGHEST_THRESHOLD:g}"
            )
        if not 0 <= self.cooldown < math.inf:
            raise ValueError(f"the cooldown is {self.cooldown:g} s: give 0 or more seconds")


@dataclass(frozen=True, kw_only=True)
class Firing:
    """A trigger that fired: on the window from `start` to `end` in seconds, with its standard score."""

    text: str
    start: float
    end: float
    score: float


class Triggers:
    """Windows in, in time order; a firing out as soon as a text's score reaches the threshold.

    A trigger fires once and is ready again when its score has fallen well below the threshold and the cooldown is over.
    `encode` turns texts into embeddings, as `Embedder.texts`; ValueError where it finds one too long.
    """

    def __init__(
        self, settings: TriggerSettings, *, encode: Callable[[Sequence[str]], Float[Tensor, "batch dim"]]
    ) -> None:
        self.settings = settings
        self._encoded = [encode(texts).cpu() for texts in (settings.texts, background())] if settings.texts else []
        self._ready = [True] * len(settings.texts)
        self._cool_from = [-math.inf] * len(settings.texts)

    def push(self, embeddings: Float[Tensor, "time dim"], times: WindowTimes) -> list[Firing]:
        """The next windows, with their start and end in seconds: what fires on them."""
        if not self._encoded:
            return []
        scores = standard_scores(embeddings, *self._encoded).tolist()
        return [
            Firing(text=self.settings.texts[place], start=start, end=end, score=score)
            for row, (start, end) in zip(scores, times, strict=True)
            for place, score in enumerate(row)
            if self._fires(place, score, now=end)
        ]

    def _fires(self, place: int, score: float, *, now: float) -> bool:
        """Whether a text fires at this second; it is not ready afterwards."""
        if score < _RELEASE * self.settings.threshold:
            self._ready[place] = True
        if score < self.settings.threshold or not self._ready[place] or now < self._cool_from[place]:
            return False
        self._ready[place], self._cool_from[place] = False, now + self.settings.cooldown
        return True


def standard_scores(
    windows: Float[Tensor, "time dim"], texts: Float[Tensor, "text dim"], bank: Float[Tensor, "caption dim"]
) -> Float[Tensor, "time text"]:
    """By how many standard deviations each text is more like a window than the captions of the bank are.

    All texts first lose the direction that the captions have in common and are brought to length one, so that a text
    which is a little like everything has no advantage; then each window is compared with its own mean and spread over
    the bank.
    """
    common = normalize(bank.mean(dim=0), dim=0)
    usual = windows @ _without(common, bank).T
    found = windows @ _without(common, texts).T
    spread, mean = torch.std_mean(usual, dim=1, keepdim=True)
    return (found - mean) / spread.clamp(min=_TINY)


def _without(common: Float[Tensor, "dim"], texts: Float[Tensor, "text dim"]) -> Float[Tensor, "text dim"]:
    """What is left of texts beside a direction, at length one."""
    return normalize(texts - (texts @ common)[:, None] * common, dim=1)


def background() -> list[str]:
    """The everyday captions that triggers are measured against."""
    return (resources.files("vljepa.streaming") / "background.txt").read_text(encoding="utf-8").splitlines()
