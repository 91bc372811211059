"""The choices that a protocol leaves open, as settings; defaults are the paper's where the paper tells them."""

from dataclasses import dataclass
from typing import Literal

TEMPLATES = {
    "bare": ("{}",),
    "mteb": ("a video of {}",),
    # CLIP's 28 for Kinetics, which Perception Encoder's code averages.
    "kinetics": tuple(
        f"a {kind} of {form}."
        for kind in ("photo", "video", "example", "demonstration")
        for form in (
            "{}",
            "a person {}",
            "a person using {}",
            "a person doing {}",
            "a person during {}",
            "a person performing {}",
            "a person practicing {}",
        )
    ),
}


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """What all tasks share.

    `media`: the folder of media below the root. `most_failed`: the share of items that may be missing or unreadable
    before the run fails. `seed` draws the order of shuffled frames.
    """

    media: str = "videos"
    query: str = ""
    most_failed: float = 0.01
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.most_failed <= 1:
            raise ValueError(f"most_failed is {self.most_failed}: give a share of the items from 0 to 1")


@dataclass(frozen=True, kw_only=True)
class ClassificationProtocol(Protocol):
    """`template`: a name (bare, mteb, kinetics) or a text with {} in it; embeddings over several are averaged."""

    query: str = "What is the action shown?"
    template: str = "bare"

    def templates(self) -> tuple[str, ...]:
        """The texts that a label is put into. ValueError where there is no place for it."""
        found = TEMPLATES.get(self.template, (self.template,))
        if not all("{}" in text for text in found):
            raise ValueError(f"template is {self.template!r}: give {', '.join(TEMPLATES)} or a text with {{}} in it")
        return found


@dataclass(frozen=True, kw_only=True)
class RetrievalProtocol(Protocol):
    """Text to video: all distinct media are the pool, each text is a query."""

    query: str = "Describe this video in detail."


@dataclass(frozen=True, kw_only=True)
class VqaProtocol(Protocol):
    """`query` is a form that the question is put into."""

    media: str = "images"
    query: str = "{}"


@dataclass(frozen=True, kw_only=True)
class YesNoProtocol(VqaProtocol):
    """`answers`: the two words, or the two sentences around them."""

    answers: Literal["words", "sentences"] = "words"


@dataclass(frozen=True, kw_only=True)
class TripletProtocol(Protocol):
    """`prompt` stands before each sentence, for encoders that were trained with one."""

    prompt: str = ""


@dataclass(frozen=True, kw_only=True)
class WorldProtocol(Protocol):
    """State pairs and clips: both sides are seen, neither is asked anything."""

    media: str = "."
