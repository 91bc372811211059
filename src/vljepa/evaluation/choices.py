"""Texts to choose among, of items whose right text is known: what calibration is fitted on, and measured on.

Every other row is shown without its right text, so that "none of these" is right as often as not.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, cycle, islice
from typing import TypeVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from vljepa.data.asking import CAPTION_QUERIES, LABEL_QUERIES, one_of
from vljepa.features import Item

# Pictures composed for their questions: easily named, they would hide how well others are.
COMPOSED = ("shapes", "scenes")
DESCRIBED, ASKED, MOST = 8, 3, 600
One = TypeVar("One")
# An item, a query, its right text, and texts that are wrong.
_Told = tuple[Item, str, str, Sequence[str]]


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What is asked of an item (empty: nothing) and the texts shown; the first one is right where `present`."""

    item: Item
    query: str
    texts: tuple[str, ...]
    present: bool


def cases(items: Sequence[Item]) -> dict[str, list[Choice]]:
    """Rows for each pair of a `Calibration`, by its name; none where no item has anything to say to it."""
    pictures = [item for item in items if item.picture]
    clips = [item for item in items if not item.picture]
    plain = [item for item in pictures if item.corpus not in COMPOSED]
    return {
        "picture": described(plain, most=len(plain)),
        "picture_asked": asked(pictures),
        "clip": described(clips),
        "clip_asked": asked(clips),
    }


def described(items: Sequence[Item], *, most: int = MOST) -> list[Choice]:
    """The label of each item, or else its first caption, among DESCRIBED texts of these items; nothing is asked.

    At most so many rows, evenly over sources.
    """
    random = np.random.default_rng(0)
    items = [item for item in items if item.label or item.captions]
    texts = [item.label or item.captions[0] for item in items]
    sources: dict[str, list[_Told]] = {}
    for item, right in zip(items, texts, strict=True):
        told = (item, "", right, _of_others(item, texts, DESCRIBED, random))
        sources.setdefault(item.corpus, []).append(told)
    return _shown(sources, most, random, DESCRIBED)


def asked(items: Sequence[Item], *, most: int = MOST) -> list[Choice]:
    """What users ask of such items, with ASKED texts to choose among: at most so many rows, evenly over sources.

    Items with questions of their own that have candidates enough bring those. The others, photographs among them, are
    asked what training asks of them (`data.asking`): their name, or what can be seen, which is found among what is said
    of others. Sources count alike, however much they ask: nobody knows what the next user looks at, and whoever asks
    about a photograph is to be told "none of these" neither more nor less often than whoever asks about a drawing.
    """
    random = np.random.default_rng(0)
    labels = [item.label for item in items if item.label]
    captions = [item.captions[0] for item in items if item.captions]
    sources: dict[str, list[_Told]] = {}
    for item in items:
        own = [question for question in item.questions if len(question.candidates) > ASKED]
        told: list[_Told] = [(item, one.query, one.answer, _wrong(one.candidates, [one.answer], random)) for one in own]
        # Half of what has both is named, half is described.
        if not own and item.label and (not item.captions or random.random() < 0.5):
            told = [(item, one_of(LABEL_QUERIES, random), item.label, _of_others(item, labels, ASKED, random))]
        elif not own and item.captions:
            query = one_of(CAPTION_QUERIES, random)
            told = [(item, query, item.captions[0], _of_others(item, captions, ASKED, random))]
        sources.setdefault(item.corpus, []).extend(told)
    return _shown(sources, most, random, ASKED)


def evenly(groups: Sequence[Sequence[One]], most: int) -> list[list[One]]:
    """At most so many in all, as many of each group where there are as many, and within each from all of it."""
    taken: dict[int, list[One]] = {}
    left = most
    # The smallest first: what they do not fill is for the others.
    for number, place in enumerate(sorted(range(len(groups)), key=lambda place: len(groups[place]))):
        group = groups[place]
        count = min(len(group), left // (len(groups) - number))
        taken[place] = [group[one * len(group) // count] for one in range(count)]
        left -= count
    return [taken[place] for place in range(len(groups))]


def cosines(
    choices: Sequence[Choice],
    predicted: Float[Tensor, "choice dim"],
    texts: Callable[[list[str]], Float[Tensor, "text dim"]],
) -> Float[Tensor, "choice text"]:
    """Cosine of each row's prediction with its texts; `texts` embeds those that occur, each once."""
    numbers: dict[str, int] = {}
    places = [[numbers.setdefault(text, len(numbers)) for text in choice.texts] for choice in choices]
    embedded = texts(list(numbers)).float()
    return torch.einsum("ntd,nd->nt", embedded[torch.tensor(places)], predicted.float())


def _mixed(told: Sequence[_Told], random: np.random.Generator) -> list[_Told]:
    """In another order: of items with two questions each, even steps would take every first one, or answer it."""
    return [told[place] for place in random.permutation(len(told))]


def _shown(sources: Mapping[str, Sequence[_Told]], most: int, random: np.random.Generator, count: int) -> list[Choice]:
    """At most so many rows, evenly over sources, with `count` texts each; those with fewer wrong texts are left out."""
    taken = evenly([_mixed(told, random) for told in sources.values()], most)
    whole = [row for row in chain.from_iterable(taken) if len(row[3]) >= count]
    return [
        Choice(item=item, query=query, texts=(*([right] if present else []), *wrong)[:count], present=present)
        for present, (item, query, right, wrong) in zip(cycle([True, False]), whole, strict=False)
    ]


def _of_others(item: Item, texts: Sequence[str], count: int, random: np.random.Generator) -> Sequence[str]:
    """Different texts of other items, none of which is said of this one, too."""
    return _wrong(texts, {item.label, *item.captions}, random, count)


def _wrong(
    texts: Sequence[str], right: Collection[str], random: np.random.Generator, count: int | None = None
) -> Sequence[str]:
    drawn = dict.fromkeys(texts[place] for place in random.permutation(len(texts)))
    return list(islice((text for text in drawn if text not in right), count))
