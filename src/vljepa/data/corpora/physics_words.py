"""What can be said of a physics scene: captions in several wordings, and captions that are false by one phrase."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from vljepa.data.corpora.physics_cast import OPPOSITE_WAY, Cast
from vljepa.data.corpora.physics_stage import COLOURS, SHAPES, Thing
from vljepa.data.corpora.physics_verbs import VERBS
from vljepa.types import unique

COUNTS = ("one", "two", "three", "four")
DIRECTIONS = ("left", "right", "towards the camera", "away from the camera")
SIDES = ("left", "right")
NOUNS = {"ball": ("ball", "sphere"), "cube": ("cube", "block"), "capsule": ("capsule", "pill"), "egg": ("egg", "oval")}


def with_a(phrase: str) -> str:
    """The phrase with "a" or "an"."""
    return f"{'an' if phrase[0] in 'aeiou' else 'a'} {phrase}"


def name(thing: Thing) -> str:
    """Colour and noun, which is enough to tell a thing from all others of its scene."""
    return f"{thing.colour} {thing.shape}"


def listed(phrases: Sequence[str]) -> str:
    """ "a, b and c"."""
    return " and ".join([", ".join(phrases[:-1]), phrases[-1]] if len(phrases) > 1 else phrases)


def _way(cast: Cast) -> str:
    if cast.verb in ("comes into view", "goes out of view"):
        return cast.way
    return f"to the {cast.way}" if cast.way in SIDES else cast.way


def plain(cast: Cast) -> str:
    """The plainest caption of a cast."""
    if cast.arrangement == "group":
        plural = "" if len(cast.things) == 1 else "s"
        return f"{COUNTS[len(cast.things) - 1]} {name(cast.subject)}{plural}"
    if cast.arrangement == "list":
        return listed([with_a(name(thing)) for thing in cast.things])
    subject, other = with_a(name(cast.subject)), with_a(name(cast.other)) if cast.other else ""
    if cast.arrangement == "relation":
        return f"{subject} is to the {cast.way} of {other}"
    return f"{subject} {VERBS[cast.verb].third.format(b=other, way=_way(cast))}"


class Wording:
    """Draws the words for one scene; deterministic in the random source."""

    def __init__(self, cast: Cast, rng: np.random.Generator) -> None:
        self.cast = cast
        self.rng = rng

    def any_of(self, texts: Sequence[str]) -> str:
        """One of the texts."""
        return texts[int(self.rng.integers(len(texts)))]

    def varied(self, thing: Thing) -> str:
        """Colour and noun with a synonym now and then, and with the size where that is something a picture shows."""
        noun = self.any_of(NOUNS.get(thing.shape, (thing.shape,)))
        size = ("large " if thing.large else "small ") if thing.shape in SHAPES and self.rng.random() < 0.4 else ""
        return f"{size}{thing.colour} {noun}"

    def captions(self) -> tuple[str, ...]:
        """Four to six wordings of what is to be seen, the plainest first."""
        pool = self._still() if self.cast.arrangement else self._moving()
        chosen = [pool[i] for i in self.rng.permutation(len(pool))]
        return unique([plain(self.cast), *chosen])[: int(self.rng.integers(4, 7))]

    def _still(self) -> list[str]:
        cast = self.cast
        count = COUNTS[len(cast.things) - 1]
        are, plural = ("is", "") if len(cast.things) == 1 else ("are", "s")
        if cast.arrangement == "group":
            what = f"{count} {self.varied(cast.subject)}{plural}"
            return [
                f"there {are} {what} on the floor",
                f"a picture of {what}",
                f"{what}, and nothing moves",
                f"{what} {'stands' if are == 'is' else 'stand'} still",
                f"one can count {what}",
            ]
        things = [with_a(self.varied(thing)) for thing in cast.things]
        texts = [
            f"there are {count} objects: {listed(things)}",
            f"{listed(things[::-1])} on the floor",
            f"{listed(things)} stand still",
            f"nothing moves: there are {listed(things)}",
        ]
        if cast.arrangement == "relation":
            far = OPPOSITE_WAY[cast.way]
            texts += [
                f"{things[1]} is to the {far} of {things[0]}",
                f"{things[1]} with {things[0]} on its {cast.way} side",
                f"the {name(cast.subject)} stands {cast.way} of the {name(cast.things[1])}",
            ]
        return texts

    def _moving(self) -> list[str]:
        cast, verb = self.cast, VERBS[self.cast.verb]
        texts = [
            f"{{the}} {verb.third}",
            f"a video of {{a}} {verb.gerund}",
            f"{{a}} is {verb.gerund}",
            *(f"{{{self.any_of(('a', 'the'))}}} {other}" for other in verb.others),
            *verb.sentences,
        ]
        filled = [self._filled(text) for text in texts if "{way}" not in text or cast.way]
        visible = cast.things or (cast.subject,)
        if len(visible) > 1:
            scene = listed([with_a(self.varied(thing)) for thing in visible])
            filled.append(f"there are {scene}; " + self._filled(f"{{the}} {verb.third}"))
            filled.append(f"{COUNTS[len(visible) - 1]} objects, and " + self._filled(f"{{the}} {verb.third}"))
        return filled

    def _filled(self, text: str) -> str:
        other = self.varied(self.cast.other) if self.cast.other else ""
        subject = self.varied(self.cast.subject)
        article = with_a if "of {b}" not in text or self.rng.random() < 0.5 else "the {}".format
        return text.format(
            a=with_a(subject), the=f"the {subject}", b=article(other) if other else "", way=_way(self.cast)
        )

    def negatives(self) -> tuple[str, ...]:
        """Two to four captions that differ from the plainest one in one phrase and are false of the scene."""
        cast = self.cast
        wrong = [replace_subject(cast, colour=self.absent_colour()), replace_subject(cast, shape=self.other_shape())]
        if cast.arrangement == "group":
            sizes = [size for size in range(1, 5) if size != len(cast.things)]
            wrong.insert(0, replace(cast, things=(cast.subject,) * int(self.rng.choice(sizes))))
        elif cast.arrangement != "list":
            wrong = [*self.opposites(), *wrong]
        return unique([plain(one) for one in wrong])

    def opposites(self) -> list[Cast]:
        """The cast with the opposite way or verb, where that is what its plainest caption tells."""
        cast = self.cast
        if cast.verb in ("rolls", "slides") or cast.arrangement == "relation":
            return [replace(cast, way=OPPOSITE_WAY[cast.way])]
        opposite = VERBS[cast.verb].opposite or {"bounces": "rises"}[cast.verb]
        return [replace(cast, verb=opposite)]

    def absent_colour(self) -> str:
        """A colour that nothing in the scene has."""
        used = {thing.colour for thing in (*self.cast.things, self.cast.subject, self.cast.other) if thing}
        return self.any_of([colour for colour in COLOURS if colour not in used])

    def other_shape(self) -> str:
        """Another shape for the subject, of the kind that its sentence allows."""
        family = SHAPES if self.cast.subject.shape in SHAPES else ("door", "lid", "drawer")
        return self.any_of([shape for shape in family if shape != self.cast.subject.shape])


def replace_subject(cast: Cast, *, colour: str = "", shape: str = "") -> Cast:
    """The cast with another colour or shape of its subject, wherever that is named."""
    subject = replace(cast.subject, colour=colour or cast.subject.colour, shape=shape or cast.subject.shape)
    things = tuple(subject if thing == cast.subject else thing for thing in cast.things)
    return replace(cast, subject=subject, things=things)
