"""What can be said of things that stand in a picture: captions, captions false by one word, questions with answers.

Every yes/no question has a twin in the same words with the other answer, and half of them are "no": whoever sees
nothing is right half the time. What is absent is drawn from the same names as what is there.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vljepa.data.corpora.drawing import COLOURS, SHAPES, Placed
from vljepa.data.corpora.physics_words import listed
from vljepa.data.corpora.wordings import plural, with_article
from vljepa.types import Question, unique

COUNTS = ("one", "two", "three", "four", "five")
# How often the number of all shapes is asked for, by that number, and that of a noun which is there once where no other
# is there more often: numbers come up evenly then, and a question does not give its answer away.
_ASKED_BY_NUMBER = (0.3, 0.25, 0.9, 0.9, 1.0)
_ASKED_OF_ONE, _ASKED_OF_ONE_BESIDE_SEVERAL = 0.06, 0.25
# Of a thing beside another one: how it is said, and how it is asked where it stands.
_SIDES = {
    "left": ("to the left of", "left of", "on the left of"),
    "right": ("to the right of", "right of", "on the right of"),
    "above": ("above", "over", "higher than"),
    "below": ("below", "under", "lower than"),
}
OPPOSITE = {"left": "right", "right": "left", "above": "below", "below": "above"}
_ANSWERS = {"left": "to the left of it", "right": "to the right of it", "above": "above it", "below": "below it"}
_COLOUR_QUERIES = ("what colour is the {}?", "what color is the {}?", "which colour does the {} have?")
_COUNT_QUERIES = ("how many {} are there?", "how many {} can be seen?", "what is the number of {}?")
_SHAPE_QUERIES = ("what shape is the {} thing?", "which shape is {}?", "what is the {} shape?")
_WHERE_QUERIES = ("where is the {} relative to the {}?", "on which side of the {1} is the {0}?")
_WHAT_QUERIES = ("what is {} the {}?", "which thing is {} the {}?")
_IS_THERE = ("is there {}?", "can you see {}?", "does the picture show {}?", "is {} in this picture?")
_IS_NOT_THERE = ("is there no {}?", "is it true that no {} is in the picture?")


@dataclass(frozen=True, kw_only=True)
class Scene:
    """`things` of a picture; `relation`: how the first stands to the second, "" where that is not told.

    `names`: what else a thing might have been called, for what is false.
    """

    things: tuple[Placed, ...]
    relation: str = ""
    names: tuple[str, ...] = SHAPES

    @property
    def coloured(self) -> bool:
        """Whether colours are told, as of shapes."""
        return bool(self.things[0].colour)


def called(thing: Placed) -> str:
    """Its colour and noun."""
    return f"{thing.colour} {thing.noun}".strip()


class SceneWords:
    """Draws the words for one scene; deterministic in the random source."""

    def __init__(self, scene: Scene, random: np.random.Generator) -> None:
        self.scene, self.random = scene, random
        self.kinds = Counter(called(thing) for thing in scene.things)
        self.nouns = Counter(thing.noun for thing in scene.things)

    def one_of(self, texts: Sequence[str]) -> str:
        """One of the texts."""
        return texts[int(self.random.integers(len(texts)))]

    def captions(self) -> tuple[str, ...]:
        """Two to five wordings, the plainest first."""
        plain = self._stated()
        if self.scene.relation:
            first, second = self.scene.things[:2]
            other = self._related(second, first, OPPOSITE[self.scene.relation])
            return unique([plain, self._related(first, second, self.scene.relation), other, self._counted()])
        there = "there are" if len(self.scene.things) > 1 else "there is"
        return unique([plain, f"{there} {plain}", f"a picture of {plain}", *self._without_colours()])

    def negatives(self) -> tuple[str, ...]:
        """The plainest caption with one thing wrong: the side, a count, a colour, a noun, two nouns exchanged."""
        scene = self.scene
        false: list[str] = []
        if scene.relation:
            first = scene.things[0]
            false += [self._stated(scene.relation, exchanged=True), self._stated(OPPOSITE[scene.relation])]
            false += [self._stated(scene.relation, instead=(first, self._other_noun()))]
        else:
            thing = scene.things[int(self.random.integers(len(scene.things)))]
            false += [self._counted(instead=(thing, self._other_noun())), self._counted(miscounted=called(thing))]
        if scene.coloured:
            thing = scene.things[0]
            wrong = Placed(thing.noun, self._other_colour(thing), thing.x, thing.y, thing.size)
            false.append(self._stated(scene.relation, instead=(thing, called(wrong))))
        return tuple(text for text in unique(false) if text not in self.captions())

    def questions(self) -> tuple[Question, ...]:
        """All that is clear: colour, shape, count, side, what stands there, and two pairs of yes and no."""
        asked = [*self._count(), *self._colour(), *self._shape(), *self._side(), *self._yes_no()]
        return tuple(dict.fromkeys(asked))

    def _stated(self, relation: str = "", *, exchanged: bool = False, instead: tuple[Placed, str] | None = None) -> str:
        """The plainest caption, or one made false."""
        side = relation or self.scene.relation
        if not side:
            return self._counted(instead=instead)
        names = [instead[1] if instead and thing == instead[0] else called(thing) for thing in self.scene.things[:2]]
        first, second = reversed(names) if exchanged else names
        return f"{with_article(first)} {_SIDES[side][0]} {with_article(second)}"

    def _related(self, first: Placed, second: Placed, side: str) -> str:
        is_ = self.one_of(("", "is "))
        return f"{with_article(called(first))} {is_}{self.one_of(_SIDES[side])} {with_article(called(second))}"

    def _counted(self, *, instead: tuple[Placed, str] | None = None, miscounted: str = "") -> str:
        """What is there, by kind: "two red circles and a star"."""
        kinds: dict[str, int] = {}
        for thing in self.scene.things:
            name = instead[1] if instead and called(thing) == called(instead[0]) else called(thing)
            kinds[name] = kinds.get(name, 0) + 1
        if miscounted:
            kinds[miscounted] = self._other_count(kinds[miscounted])
        return listed([numbered(name, count) for name, count in kinds.items()])

    def _without_colours(self) -> list[str]:
        if not self.scene.coloured or len(self.scene.things) == 1:
            return []
        return [listed([numbered(noun, count) for noun, count in self.nouns.items()])]

    def _other_noun(self) -> str:
        """A name that nothing here goes by, with a colour where colours are told."""
        free = [name for name in self.scene.names if name not in self.nouns]
        noun = self.one_of(free)
        return f"{self.one_of(COLOURS)} {noun}" if self.scene.coloured else noun

    def _other_colour(self, thing: Placed) -> str:
        """A colour that no thing of this noun has."""
        own = {other.colour for other in self.scene.things if other.noun == thing.noun}
        return self.one_of([colour for colour in COLOURS if colour not in own])

    def _other_count(self, count: int) -> int:
        return int(self.random.choice([number for number in range(1, len(COUNTS) + 1) if number != count]))

    def _some(self, wrong: Sequence[str], answer: str, *, count: int = 7) -> tuple[str, ...]:
        """The answer among some that are wrong, in an order that tells nothing."""
        free = sorted(set(wrong) - {answer})
        chosen = [free[place] for place in self.random.permutation(len(free))[:count]] + [answer]
        return tuple(chosen[place] for place in self.random.permutation(len(chosen)))

    def _count(self) -> list[Question]:
        found = []
        number = len(self.scene.things)
        if self.scene.coloured and self.random.random() < _ASKED_BY_NUMBER[number - 1]:
            found.append(self._how_many(self.one_of(("shapes", "things", "objects")), number))
        several = [noun for noun, count in self.nouns.items() if count > 1]
        once = [noun for noun, count in self.nouns.items() if count == 1]
        share = _ASKED_OF_ONE_BESIDE_SEVERAL if several else _ASKED_OF_ONE
        asked = once if once and self.random.random() < share else several
        return [*found, *(self._how_many(plural(noun), self.nouns[noun]) for noun in asked[:1])]

    def _how_many(self, things: str, count: int) -> Question:
        query = self.one_of(_COUNT_QUERIES).format(things)
        return Question(query=query, answer=COUNTS[count - 1], candidates=COUNTS, kind="count")

    def _colour(self) -> list[Question]:
        single = [thing for thing in self.scene.things if thing.colour and self.nouns[thing.noun] == 1]
        if not single:
            return []
        thing = single[int(self.random.integers(len(single)))]
        noun = thing.noun if len(self.scene.things) > 1 or self.random.random() < 0.5 else "shape"
        query = self.one_of(_COLOUR_QUERIES).format(noun)
        return [Question(query=query, answer=thing.colour, candidates=self._some(COLOURS, thing.colour), kind="colour")]

    def _shape(self) -> list[Question]:
        colours = Counter(thing.colour for thing in self.scene.things)
        single = [thing for thing in self.scene.things if thing.colour and colours[thing.colour] == 1]
        if not single:
            return []
        thing = single[int(self.random.integers(len(single)))]
        query = self.one_of(_SHAPE_QUERIES).format(thing.colour)
        return [Question(query=query, answer=thing.noun, candidates=self._some(SHAPES, thing.noun), kind="shape")]

    def _side(self) -> list[Question]:
        """Where the first thing stands, and what stands there; the second thing is always among what is wrong."""
        if not self.scene.relation:
            return []
        first, second = (called(thing) for thing in self.scene.things[:2])
        side = self.scene.relation
        query = self.one_of(_WHERE_QUERIES).format(first, second)
        where = Question(query=query, answer=_ANSWERS[side], candidates=tuple(_ANSWERS.values()), kind="relation")
        wrong = [self._other_noun() for _ in range(4)]
        candidates = self._some([*self._some(wrong, second, count=4)], first, count=5)
        what = self.one_of(_WHAT_QUERIES).format(_SIDES[side][0], second)
        return [where, Question(query=what, answer=first, candidates=candidates, kind="name")]

    def _yes_no(self) -> list[Question]:
        """A pair about what is there, and a pair about a side, a colour or a count."""
        thing = self.scene.things[int(self.random.integers(len(self.scene.things)))]
        pairs = [self._there(thing)]
        if self.scene.relation:
            pairs.append(self._beside())
        elif self.scene.coloured and self.nouns[thing.noun] == 1:
            pairs.append((f"is the {thing.noun} {thing.colour}?", f"is the {thing.noun} {self._other_colour(thing)}?"))
        elif (count := self.nouns[thing.noun]) > 1:
            several = range(2, 6 if self.scene.coloured else 5)
            other = int(self.random.choice([number for number in several if number != count]))
            pairs.append((_exactly(thing.noun, count), _exactly(thing.noun, other)))
        else:
            pairs.append(self._there(thing))
        return [
            Question(query=query, answer=answer, candidates=("yes", "no"), kind="yesno")
            for pair in pairs
            for query, answer in zip(pair, ("yes", "no"), strict=True)
        ]

    def _there(self, thing: Placed) -> tuple[str, str]:
        """Is it there, and is something else: another noun, its noun in another colour, or another colour alone."""
        draw = self.random.random()
        if self.scene.coloured and draw < 0.35:
            true, false = called(thing), f"{self._other_colour(thing)} {thing.noun}"
        elif self.scene.coloured and draw < 0.55:
            shown = {other.colour for other in self.scene.things}
            true, false = (f"{c} shape" for c in (thing.colour, self.one_of([c for c in COLOURS if c not in shown])))
        else:
            true, false = thing.noun, self.one_of([name for name in self.scene.names if name not in self.nouns])
        if self.random.random() < 0.15:
            query = self.one_of(_IS_NOT_THERE)
            return query.format(false), query.format(true)
        query = self.one_of(_IS_THERE)
        return query.format(with_article(true)), query.format(with_article(false))

    def _beside(self) -> tuple[str, str]:
        first, second = (called(thing) for thing in self.scene.things[:2])
        side = self.scene.relation
        place = int(self.random.integers(len(_SIDES[side])))
        true, false = (f"is the {first} {_SIDES[way][place]} the {second}?" for way in (side, OPPOSITE[side]))
        if self.random.random() < 0.5:
            false = f"is the {second} {_SIDES[side][place]} the {first}?"
        return true, false


def numbered(name: str, count: int) -> str:
    """ "a red circle", "two red circles"."""
    return with_article(name) if count == 1 else f"{COUNTS[count - 1]} {plural(name)}"


def _exactly(noun: str, count: int) -> str:
    return f"are there exactly {COUNTS[count - 1]} {plural(noun)}?"
