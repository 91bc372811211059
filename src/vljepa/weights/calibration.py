"""How cosines become probabilities: what a model folder says of it, in the form of today and in the older one."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# As folders had it before pictures and clips were told apart: a pair of descriptions, and one of answers.
_OLDER = {"scale": "", "background": "", "asked_scale": "_asked", "asked_background": "_asked"}


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A softmax over `scale` times the cosines, with one more row at cosine `background` for "none of these"."""

    scale: float = 20.0
    background: float = 0.3


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """How cosines become probabilities, fitted on validation data.

    Pictures live at other heights than clips, and answers to a question at others than descriptions: a pair for each.
    `unsure`: the fidelity below which decoded words are marked as unsure; None where no line was fitted, and nothing
    is marked.
    """

    picture: Pair = field(default_factory=Pair)
    picture_asked: Pair = field(default_factory=Pair)
    clip: Pair = field(default_factory=Pair)
    clip_asked: Pair = field(default_factory=Pair)
    unsure: float | None = None

    def of(self, *, moving: bool, asked: bool) -> Pair:
        """The pair of an embedding that looked at one frame or several (`moving`), and answers a question or not."""
        picture, clip = (self.picture_asked, self.clip_asked) if asked else (self.picture, self.clip)
        return clip if moving else picture

    def is_unsure(self, fidelity: float) -> bool:
        """Whether words keep so little of what was meant that whoever reads them has to be told."""
        return self.unsure is not None and fidelity < self.unsure


def of_today(calibration: Mapping[str, Any]) -> dict[str, Any]:
    """The content of `calibration` in a `config.json`; the two pairs of an older one are those of pictures and clips.

    Nothing is checked here: names that belong to neither form, or a mixture of both, are left for who reads settings.
    """
    if calibration.keys() & {"picture", "picture_asked", "clip", "clip_asked"}:
        return dict(calibration)
    today: dict[str, Any] = {}
    for name, value in calibration.items():
        if name in _OLDER:
            for case in ("picture", "clip"):
                today.setdefault(case + _OLDER[name], {})[name.removeprefix("asked_")] = value
        else:
            today[name] = value
    return today
