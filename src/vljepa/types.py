"""The nouns that travel between the parts, and the legend that ties code words to the paper's symbols.

| word here   | symbol      | is                                                          |
|-------------|-------------|-------------------------------------------------------------|
| clip        | X_V         | frames and their times; a picture is a clip of one frame    |
| query       | X_Q         | what is asked of the clip; empty in pretraining             |
| target      | Y           | the text whose embedding has to be predicted                |
| visual      | S_V         | tokens of the X-Encoder                                     |
| predicted   | S^_Y        | what the Predictor says the answer's embedding is           |
| embedding   | S_Y         | what the Y-Encoder says it is                               |

Axes in shapes: `batch time height width channel token dim vocab`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Tensor

Split = Literal["train", "validation", "test"]


@dataclass(frozen=True, kw_only=True)
class Clip:
    """Frames in RGB with the second at which each was taken; a picture is one frame at second 0."""

    frames: UInt8[Tensor, "time height width 3"]
    times: Float[Tensor, "time"]

    @property
    def moving(self) -> bool:
        """Whether there are several frames to look at."""
        return len(self.frames) > 1


@dataclass(frozen=True, kw_only=True)
class Question:
    """One thing that can be asked of a sample; `kind` groups scores (colour, count, direction ...)."""

    query: str
    answer: str
    candidates: tuple[str, ...]
    kind: str


@dataclass(frozen=True, kw_only=True)
class Told:
    """What is true of a medium: wordings of its facts, captions wrong by one word, questions with answers, a label."""

    captions: tuple[str, ...]
    negatives: tuple[str, ...] = ()
    questions: tuple[Question, ...] = ()
    label: str = ""


@dataclass(frozen=True, kw_only=True)
class Event:
    """What happens between two seconds of a recording."""

    action: str
    start: float
    end: float


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One medium with everything that is known to be true of it, and where it came from.

    `captions` are wordings of the same facts; `negatives` are captions that differ in one word and are false of it.
    `backwards` is what would be true of the medium played backwards, where that is known.
    `concept` is what the split keeps apart: a name for pictures, a scene seed for simulators, a recording for cameras.
    `weights`: how often each caption is drawn beside the others; empty: all alike. `origin`: sha256 of the file that
    the medium was cut from, empty where the medium is whole. `crops`: how many crops of a training picture are looked
    at beside the whole; none where a crop may lose what the captions tell.
    """

    key: str
    media: bytes = field(repr=False)
    extension: str
    captions: tuple[str, ...]
    source: str
    licence: str
    concept: str
    split: Split
    negatives: tuple[str, ...] = ()
    questions: tuple[Question, ...] = ()
    events: tuple[Event, ...] = ()
    label: str = ""
    credit: str = ""
    backwards: Told | None = None
    weights: tuple[float, ...] = ()
    origin: str = ""
    crops: int = 1


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """Token numbers and which of them are real (`mask`); padding is on the right."""

    ids: Int64[Tensor, "batch token"]
    mask: Bool[Tensor, "batch token"]

    def to(self, device: torch.device) -> "Tokens":
        """The same tokens on another device."""
        return Tokens(ids=self.ids.to(device), mask=self.mask.to(device))

    def rows(self, some: slice) -> "Tokens":
        """Some of the texts."""
        return Tokens(ids=self.ids[some], mask=self.mask[some])


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Tensors of many samples.

    `frames`: what the X-Encoder keeps of each frame, or, where it learns, the pixels that it reads. `targets`: the
    texts that predictions choose among; row i's own is `labels[i]`, further ones (words that are wrong by one) are
    negatives. `twins`: the last of the targets are no columns but other wordings, each of the column that stands here.
    `query_free`: rows without a query.
    `keys`: numbers by which ranks know equal target texts; None where every target is to stay a column of its own.
    `samples`: which sample each row was made from, for the person who looks for a bad one.
    """

    frames: Float[Tensor, "batch time *kept"]
    query: Tokens
    targets: Tokens
    labels: Int64[Tensor, "batch"]
    query_free: Float[Tensor, "batch"]
    keys: Int64[Tensor, "text"] | None = None
    samples: tuple[str, ...] = ()
    twins: Int64[Tensor, "twin"] | None = None

    def to(self, device: torch.device) -> "Batch":
        """The same batch on another device."""
        return Batch(
            frames=self.frames.to(device),
            query=self.query.to(device),
            targets=self.targets.to(device),
            labels=self.labels.to(device),
            query_free=self.query_free.to(device),
            keys=None if self.keys is None else self.keys.to(device),
            samples=self.samples,
            twins=None if self.twins is None else self.twins.to(device),
        )


@dataclass(frozen=True, kw_only=True)
class Losses:
    """`total` for the optimizer and detached named scalars for the record."""

    total: Float[Tensor, ""]
    parts: dict[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Segment:
    """A stretch of a stream with one meaning: seconds, and the numbers of its first and its past-the-last window."""

    start: float
    end: float
    first: int
    last: int


def check_text(text: str, *, what: str) -> str:
    """`text` without outer blanks; ValueError where nothing is left."""
    stripped = text.strip()
    if not stripped:
        raise ValueError(f"{what} is empty: write at least one word")
    return stripped


def unique(texts: Sequence[str]) -> tuple[str, ...]:
    """The texts in their order, each once."""
    return tuple(dict.fromkeys(texts))
