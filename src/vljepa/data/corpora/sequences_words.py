"""What is said of `sequences`: what came first, what then, and what comes next."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from vljepa.data.corpora.physics_stage import COLOURS, Thing
from vljepa.data.corpora.physics_words import name, with_a
from vljepa.data.corpora.sequences_stories import BACKWARDS, DEEDS, Deed, Story
from vljepa.types import Question, Told, unique

SIDES = ("left", "right")
_FIRST = ("which one moves first?", "what moves first?", "which object is the first to move?")
_LAST = ("which one moves last?", "what moves last?", "which object moves after the other one?")
_WHAT_FIRST = ("what happens first?", "what happens before the other?", "which of the two comes first?")
_WHAT_LAST = ("what happens last?", "what happens after that?", "which of the two comes second?")
_HITS = ("what will the {0} hit next?", "which object is the {0} about to hit?", "what does the {0} run into next?")
_LEAVES = (
    "on which side will the {0} go out of the picture next?",
    "to which side is the {0} about to leave?",
    "on which side will the {0} disappear next?",
)
_TURNS = ("which one will jump next?", "whose turn is it to jump next?", "which object is about to jump?")


class Wording:
    """Draws the words for one story; deterministic in the random source."""

    def __init__(self, story: Story, rng: np.random.Generator) -> None:
        self.story = story
        self.rng = rng

    def any_of(self, texts: Sequence[str]) -> str:
        """One of the texts."""
        return texts[int(self.rng.integers(len(texts)))]

    def told(self, *, truth_first: bool) -> Told:
        """Everything that is said of the story; the first of two yes/no questions is true if `truth_first`."""
        plain, *others = self._captions(self.story)
        chosen = [others[i] for i in self.rng.permutation(len(others))]
        captions = unique([plain, *chosen])[: int(self.rng.integers(4, 7))]
        wrong = unique([self._captions(story)[0] for story in self._false()])
        return Told(
            captions=captions,
            negatives=tuple(text for text in wrong if text not in captions),
            questions=tuple(self._questions(truth_first)),
            label="",
        )

    def _captions(self, story: Story) -> list[str]:
        """All wordings, the plainest first."""
        return {"order": self._one_after_the_other, "hit": self._towards, "leave": self._out, "wave": self._in_turn}[
            story.family
        ](story)

    def _one_after_the_other(self, story: Story) -> list[str]:
        (one, first), (other, then) = ((name(deed.thing), deed.verb) for deed in story.deeds)
        if one == other:
            return [
                f"{with_a(one)} {first}, then it {then}",
                f"the {one} first {first} and then {then}",
                f"{with_a(one)} {first} and after that {then}",
                f"a video of {with_a(one)} that {first} before it {then}",
                f"after the {one} {first}, it {then}",
            ]
        return [
            f"{with_a(one)} {first}, then {with_a(other)} {then}",
            f"first {with_a(one)} {first}, and after that {with_a(other)} {then}",
            f"the {one} {first} before the {other} {then}",
            f"after the {one} {first}, the {other} {then}",
            f"the {other} {then} after the {one} {first}",
            f"the {one} moves first, then the {other}",
            f"a video in which {with_a(one)} {first} and then {with_a(other)} {then}",
        ]

    def _towards(self, story: Story) -> list[str]:
        assert story.following is not None and story.behind is not None
        thing, target, behind = name(story.deeds[0].thing), name(story.following), name(story.behind)
        return [
            f"{with_a(thing)} is about to hit {with_a(target)}",
            f"{with_a(thing)} moves to the {story.way} towards {with_a(target)}",
            f"the {thing} comes nearer to the {target}",
            f"the {thing} moves away from the {behind}",
            f"{with_a(thing)} leaves {with_a(behind)} behind and heads for {with_a(target)}",
            f"a video of {with_a(thing)} on its way to {with_a(target)}",
        ]

    def _out(self, story: Story) -> list[str]:
        thing, way = name(story.deeds[0].thing), story.way
        return [
            f"{with_a(thing)} is about to leave the picture on the {way}",
            f"{with_a(thing)} moves towards the {way} edge of the picture",
            f"the {thing} will soon be gone on the {way}",
            f"a video of {with_a(thing)} on its way out of the picture to the {way}",
            f"the {thing} goes to the {way}, where the picture ends",
        ]

    def _in_turn(self, story: Story) -> list[str]:
        assert story.following is not None
        first, then, turn = (name(thing) for thing in (*(deed.thing for deed in story.deeds), story.following))
        way = self._way(story)
        return [
            f"{with_a(first)} jumps, then {with_a(then)} jumps, and {with_a(turn)} is next",
            f"things jump one after the other from {'left to right' if way == 'right' else 'right to left'}",
            f"the {first} jumps first, then the {then}; it is the turn of the {turn}",
            f"after the {first} and the {then} the {turn} will jump",
            f"{with_a(first)} and {with_a(then)} of a row of four jump in turn",
            f"the {turn} is about to jump, after the {then}",
        ]

    @staticmethod
    def _way(story: Story) -> str:
        first, then = (story.row.index(deed.thing) for deed in story.deeds)
        return "right" if then > first else "left"

    def _false(self) -> list[Story]:
        """The story the other way round, and with a colour that is not there."""
        story = self.story
        told: list[Story] = []
        if story.family == "order":
            told.append(replace(story, deeds=story.deeds[::-1]))
            if story.deeds[0].thing != story.deeds[1].thing:
                told.append(replace(story, deeds=tuple(self._other_verb(deed) for deed in story.deeds)))
        elif (other := story.backwards()) is not None:
            told.append(other)
        thing = story.deeds[0].thing
        used = {one.colour for one in self._everything()}
        strange = replace(thing, colour=self.any_of([colour for colour in COLOURS if colour not in used]))
        deeds = tuple(replace(deed, thing=strange) if deed.thing == thing else deed for deed in story.deeds)
        row = tuple(strange if one == thing else one for one in story.row)
        return [*told, replace(story, deeds=deeds, row=row)]

    def _other_verb(self, deed: Deed) -> Deed:
        opposite = BACKWARDS[deed.verb]
        if opposite == deed.verb:
            opposite = self.any_of([verb for verb in DEEDS if verb != deed.verb])
        return replace(deed, verb=opposite)

    def _everything(self) -> list[Thing]:
        story = self.story
        told = (*(deed.thing for deed in story.deeds), *story.row, story.following, story.behind)
        return [thing for thing in told if thing is not None]

    def _questions(self, truth_first: bool) -> list[Question]:
        return {"order": self._of_order, "hit": self._of_hit, "leave": self._of_leave, "wave": self._of_wave}[
            self.story.family
        ](truth_first)

    def _chosen(self, queries: Sequence[str], answer: str, others: Sequence[str], *, kind: str) -> Question:
        thing = name(self.story.deeds[0].thing)
        candidates = tuple(sorted({answer, *others}))
        return Question(query=self.any_of(queries).format(thing), answer=answer, candidates=candidates, kind=kind)

    def _yes_no(self, queries: Sequence[str], truth_first: bool) -> list[Question]:
        """The true question and the false one, in either order."""
        true, false = queries
        asked = [(true, "yes"), (false, "no")]
        return [
            Question(query=query, answer=answer, candidates=("yes", "no"), kind="yesno")
            for query, answer in (asked if truth_first else asked[::-1])
        ]

    def _of_order(self, truth_first: bool) -> list[Question]:
        first, then = self.story.deeds
        one, other = name(first.thing), name(then.thing)
        if one == other:
            what = (f"it {first.verb}", f"it {then.verb}")
            verbs = ((first.verb, then.verb), (then.verb, first.verb))
            return [
                self._chosen(_WHAT_FIRST, what[0], what[1:], kind="order"),
                self._chosen(_WHAT_LAST, what[1], what[:1], kind="order"),
                *self._yes_no([f"does the {one} {_base(a)} before it {b}?" for a, b in verbs], truth_first),
            ]
        what = (f"the {one} {first.verb}", f"the {other} {then.verb}")
        asked = [
            self._chosen(_FIRST, f"the {one}", [f"the {other}"], kind="order"),
            self._chosen(_LAST, f"the {other}", [f"the {one}"], kind="order"),
            self._chosen(_WHAT_FIRST, what[0], what[1:], kind="order")
            if self.rng.random() < 0.5
            else self._chosen(_WHAT_LAST, what[1], what[:1], kind="order"),
        ]
        deed = self.story.deeds[int(self.rng.integers(2))]
        query = (f"what does the {name(deed.thing)} do?", f"what happens to the {name(deed.thing)}?")
        asked.append(self._chosen(query, deed.verb, DEEDS, kind="verb"))
        pairs = [f"does the {a} move before the {b}?" for a, b in ((one, other), (other, one))]
        return [*asked, *self._yes_no(pairs, truth_first)]

    def _of_hit(self, truth_first: bool) -> list[Question]:
        story = self.story
        assert story.following is not None and story.behind is not None
        thing, target, behind = name(story.deeds[0].thing), name(story.following), name(story.behind)
        way = ("which way does the {0} move?", "in which direction does the {0} go?")
        pairs = [f"is the {thing} about to hit the {one}?" for one in (target, behind)]
        return [
            self._chosen(_HITS, f"the {target}", [f"the {behind}"], kind="next"),
            self._chosen(way, story.way, SIDES, kind="direction"),
            *self._yes_no(pairs, truth_first),
        ]

    def _of_leave(self, truth_first: bool) -> list[Question]:
        story = self.story
        thing, other = name(story.deeds[0].thing), SIDES[story.way == "left"]
        pairs = [f"is the {thing} about to leave the picture on the {way}?" for way in (story.way, other)]
        return [self._chosen(_LEAVES, story.way, SIDES, kind="next"), *self._yes_no(pairs, truth_first)]

    def _of_wave(self, truth_first: bool) -> list[Question]:
        story = self.story
        assert story.following is not None
        row = [f"the {name(thing)}" for thing in story.row]
        first, then = (name(deed.thing) for deed in story.deeds)
        pairs = [f"does the {a} jump before the {b}?" for a, b in ((first, then), (then, first))]
        return [
            self._chosen(_TURNS, f"the {name(story.following)}", row, kind="next"),
            self._chosen(_FIRST, f"the {first}", [f"the {then}"], kind="order"),
            *self._yes_no(pairs, truth_first),
        ]


def _base(verb: str) -> str:
    """ "falls" -> "fall", "goes to the left" -> "go to the left"."""
    head, space, rest = verb.partition(" ")
    return {"goes": "go"}.get(head, head.removesuffix("s")) + space + rest
