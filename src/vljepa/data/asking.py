"""What a row asks of a sample and what it wants to hear: a caption, the label, or one of the sample's own questions.

The paper pretrains without queries and finetunes with them (sections 3.2, 3.3); `query_free` is the share between.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from vljepa.types import Question

CAPTION_QUERIES = (
    "Describe this video in one sentence.",
    "Describe this picture in one sentence.",
    "What is happening?",
    "What can be seen here?",
    "Describe what you see.",
)
LABEL_QUERIES = ("What is the action shown?", "What is shown here?", "What is this?", "Which category fits best?")


@runtime_checkable
class Askable(Protocol):
    """What is known of a sample, with its medium or without."""

    @property
    def captions(self) -> tuple[str, ...]:
        """Wordings of the same facts."""
        ...

    @property
    def weights(self) -> tuple[float, ...]:
        """How often each caption is drawn; empty: all alike."""
        ...

    @property
    def negatives(self) -> tuple[str, ...]:
        """Captions that are false of it by one word."""
        ...

    @property
    def questions(self) -> tuple[Question, ...]:
        """What can be asked of it."""
        ...

    @property
    def label(self) -> str:
        """Its name among others, if it has one."""
        ...


@dataclass(frozen=True, kw_only=True)
class AskSettings:
    """Weights of the three kinds where a sample has several; `query_free`: share of captions and labels without query.

    `negatives`: how many texts known to be wrong a row brings.
    """

    captions: float = 1.0
    labels: float = 1.0
    questions: float = 1.0
    query_free: float = 0.5
    negatives: int = 3


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A query (empty: query-free), the target, and texts that are wrong."""

    query: str
    target: str
    negatives: tuple[str, ...] = ()


def draw_asked(told: Askable, settings: AskSettings, random: np.random.Generator) -> Asked:
    """One of the things that can be asked. ValueError where nothing is known of the sample; blank captions are none."""
    weights = told.weights or [1.0] * len(told.captions)
    captions = [pair for pair in zip(told.captions, weights, strict=False) if pair[0].strip() and pair[1] > 0]
    shares = {
        "captions": settings.captions * bool(captions),
        "labels": settings.labels * bool(told.label),
        "questions": settings.questions * bool(told.questions),
    }
    total = sum(shares.values())
    if total <= 0:
        raise ValueError("a sample has no caption, label or question that may be drawn: raise one of the weights")
    kind = _weighted(list(shares), list(shares.values()), random)
    if kind == "questions":
        return _own_question(told, settings, random)
    free = random.random() < settings.query_free
    if kind == "labels":
        return Asked(query="" if free else one_of(LABEL_QUERIES, random), target=told.label)
    target = _weighted([text for text, _ in captions], [weight for _, weight in captions], random)
    wrong = _some(told.negatives, settings.negatives, random)
    return Asked(query="" if free else one_of(CAPTION_QUERIES, random), target=target, negatives=wrong)


def can_be_asked(told: Askable) -> bool:
    """Whether anything is known of a sample."""
    return bool(any(text.strip() for text in told.captions) or told.label or told.questions)


def _own_question(told: Askable, settings: AskSettings, random: np.random.Generator) -> Asked:
    question = told.questions[int(random.integers(len(told.questions)))]
    wrong = [text for text in question.candidates if text != question.answer]
    return Asked(query=question.query, target=question.answer, negatives=_some(wrong, settings.negatives, random))


def one_of(texts: Sequence[str], random: np.random.Generator) -> str:
    """Each as likely as the others."""
    return texts[int(random.integers(len(texts)))]


def _some(texts: Sequence[str], most: int, random: np.random.Generator) -> tuple[str, ...]:
    return tuple(texts[place] for place in random.permutation(len(texts))[:most])


def _weighted(texts: Sequence[str], weights: Sequence[float], random: np.random.Generator) -> str:
    shares = np.asarray(weights, dtype=np.float64)
    return texts[int(random.choice(len(texts), p=shares / shares.sum()))]
