"""Questions about a physics scene whose answers cannot be guessed from their text."""

import numpy as np

from vljepa.data.corpora.physics_cast import Cast
from vljepa.data.corpora.physics_stage import COLOURS, SHAPES, Thing
from vljepa.data.corpora.physics_verbs import ANSWERS, VERBS, verb_shares
from vljepa.data.corpora.physics_words import COUNTS, DIRECTIONS, SIDES, Wording, name, with_a
from vljepa.types import Question

_SHARES = verb_shares()
_ONE_MOVES = (
    "rolls",
    "slides",
    "falls",
    "rises",
    "bounces",
    "stops before",
    "spins",
    "passes in front of",
    "passes behind",
)
_VERB_QUERIES = (
    "what happens?",
    "what is happening in this clip?",
    "which action is shown?",
    "what does the object do?",
)
_COLOUR_QUERIES = ("what colour is the {noun}?", "which colour does the {noun} have?", "name the colour of the {noun}")
_MOVER_QUERIES = ("what colour is the object that moves?", "which colour does the moving object have?")
_SHAPE_QUERIES = (
    "what shape is the {colour} object?",
    "what is the {colour} thing?",
    "which shape does the {colour} object have?",
)
_COUNT_QUERIES = ("how many objects are there?", "how many things can be seen?", "what is the number of objects?")
_WAY_QUERIES = ("which way does the {subject} move?", "in which direction does it go?", "where does the {subject} go?")
_SIDE_QUERIES = {
    "hits": ("to which side is the {other} pushed?", "which way does the {other} get pushed?"),
    "stops before": ("to which side does the {subject} move?", "which side does the {subject} head for?"),
    "topples over": ("to which side does the {subject} topple?", "on which side does the {subject} land?"),
    "passes in front of": ("to which side does the {subject} move past?", "which side does the {subject} head for?"),
    "passes behind": ("to which side does the {subject} move past?", "which side does the {subject} head for?"),
    "comes into view": ("from which side does the object come?", "on which side does the object appear?"),
    "goes out of view": ("to which side does the object leave?", "on which side does the object disappear?"),
}


def questions(cast: Cast, rng: np.random.Generator, *, truth_first: bool) -> tuple[Question, ...]:
    """Three to six questions; the two yes/no ones have opposite answers, "yes" to the first if `truth_first`."""
    wording = Wording(cast, rng)
    asked = [
        *_yes_no(wording, truth_first),
        *_direction(wording),
        *_relation(wording),
        *_colour(wording),
        *_verb(wording),
        *_count(wording),
        *_shape(wording),
    ]
    return tuple(asked[:6])


def _question(
    wording: Wording, queries: tuple[str, ...], *, answer: str, candidates: tuple[str, ...], kind: str
) -> Question:
    cast = wording.cast
    query = wording.any_of(queries).format(
        subject=name(cast.subject), other=name(cast.other) if cast.other else "", noun=cast.subject.shape
    )
    return Question(query=query, answer=answer, candidates=candidates, kind=kind)


def _verb(wording: Wording) -> list[Question]:
    """Asked the less often the more frequent the verb is, so that all answers are equally frequent."""
    verb = wording.cast.verb
    if wording.rng.random() > min(_SHARES.values()) / _SHARES[verb]:
        return []
    answer = VERBS[verb].answer
    return [_question(wording, _VERB_QUERIES, answer=answer, candidates=ANSWERS, kind="verb")]


def _colour(wording: Wording) -> list[Question]:
    """Of the moving thing, or of a thing whose noun names just it."""
    cast, colours = wording.cast, tuple(COLOURS)
    found = []
    if cast.verb in _ONE_MOVES and wording.rng.random() < 0.5:
        found.append(_question(wording, _MOVER_QUERIES, answer=cast.subject.colour, candidates=colours, kind="colour"))
    everything = dict.fromkeys(thing for thing in (cast.subject, *cast.things, cast.other) if thing is not None)
    shapes = [thing.shape for thing in everything]
    single = [thing for thing in everything if shapes.count(thing.shape) == 1]
    if single and (not found or wording.rng.random() < 0.3):
        thing = single[int(wording.rng.integers(len(single)))]
        query = wording.any_of(_COLOUR_QUERIES).format(noun=thing.shape)
        found.append(Question(query=query, answer=thing.colour, candidates=colours, kind="colour"))
    return found


def _shape(wording: Wording) -> list[Question]:
    """Only of things whose shape was drawn evenly, whatever happens to them."""
    things = [thing for thing in wording.cast.uniform if thing.shape in SHAPES]
    if not things:
        return []
    thing: Thing = things[int(wording.rng.integers(len(things)))]
    query = wording.any_of(_SHAPE_QUERIES).format(colour=thing.colour)
    return [Question(query=query, answer=thing.shape, candidates=SHAPES, kind="shape")]


def _count(wording: Wording) -> list[Question]:
    cast = wording.cast
    if not cast.counted:
        return []
    return [_question(wording, _COUNT_QUERIES, answer=COUNTS[len(cast.things) - 1], candidates=COUNTS, kind="count")]


def _direction(wording: Wording) -> list[Question]:
    cast = wording.cast
    if cast.verb in ("rolls", "slides"):
        return [_question(wording, _WAY_QUERIES, answer=cast.way, candidates=DIRECTIONS, kind="direction")]
    if cast.verb in _SIDE_QUERIES:
        return [_question(wording, _SIDE_QUERIES[cast.verb], answer=cast.way, candidates=SIDES, kind="direction")]
    return []


def _relation(wording: Wording) -> list[Question]:
    cast = wording.cast
    if cast.arrangement == "relation":
        queries = ("where is the {subject} relative to the {other}?", "on which side of the {other} is the {subject}?")
        sides = ("to the left of it", "to the right of it")
        return [_question(wording, queries, answer=f"to the {cast.way} of it", candidates=sides, kind="relation")]
    if cast.verb in ("passes in front of", "passes behind"):
        queries = ("where does the {subject} pass the {other}?", "how does the {subject} go past the {other}?")
        answer = "in front of it" if cast.verb == "passes in front of" else "behind it"
        return [_question(wording, queries, answer=answer, candidates=("in front of it", "behind it"), kind="relation")]
    return []


def _yes_no(wording: Wording, truth_first: bool) -> list[Question]:
    """One about what happens (where the opposite is as frequent) and one about what is there, with opposite answers."""
    happens = _happens(wording, truth_first) or _exists(wording, truth_first)
    return [
        _yes_no_question(happens, truth_first),
        _yes_no_question(_exists(wording, not truth_first), not truth_first),
    ]


def _yes_no_question(query: str, truth: bool) -> Question:
    return Question(query=query, answer="yes" if truth else "no", candidates=("yes", "no"), kind="yesno")


def _exists(wording: Wording, truth: bool) -> str:
    thing = wording.cast.subject
    what = f"{thing.colour if truth else wording.absent_colour()} {thing.shape}"
    return wording.any_of(
        (f"is there {with_a(what)}?", f"can {with_a(what)} be seen?", f"does the clip show {with_a(what)}?")
    )


def _happens(wording: Wording, truth: bool) -> str:
    """Empty where no equally frequent opposite exists."""
    cast = wording.cast
    if cast.verb == "bounces" or cast.arrangement in ("group", "list"):
        return ""
    said = cast if truth else wording.opposites()[0]
    subject, other = f"the {name(said.subject)}", f"the {name(said.other)}" if said.other else ""
    if cast.arrangement == "relation":
        return f"is {subject} to the {said.way} of {other}?"
    way = f"to the {said.way}" if said.way in SIDES else said.way
    base = VERBS[said.verb].base.format(b=other, way=way)
    return wording.any_of(
        (f"does {subject} {base}?", f"is it true that {subject} {VERBS[said.verb].third.format(b=other, way=way)}?")
    )
