"""The verbs of the physics scenes, in the forms that captions and questions need."""

from dataclasses import dataclass

from vljepa.data.corpora.physics_cast import FAMILIES


@dataclass(frozen=True, kw_only=True)
class Verb:
    """The forms of a verb; `{b}` is the other thing, `{way}` the way.

    `base` follows "does the ball", `gerund` follows "a video of a ball", `answer` is a candidate.
    `others` are further predicates; `sentences` are whole (`{a}`: the subject with "a", `{the}`: with "the").
    """

    third: str
    base: str
    gerund: str
    answer: str
    opposite: str = ""
    others: tuple[str, ...] = ()
    sentences: tuple[str, ...] = ()


VERBS: dict[str, Verb] = {
    "stands still": Verb(
        third="stands still",
        base="stand still",
        gerund="standing still",
        answer="stands still",
        opposite="spins",
        others=("does not move", "stays where it is", "rests on the floor without moving"),
        sentences=("nothing moves; there is {a} on the floor",),
    ),
    "rolls": Verb(
        third="rolls {way}",
        base="roll {way}",
        gerund="rolling {way}",
        answer="rolls",
        others=("moves {way}", "is rolled {way}", "keeps rolling {way}"),
        sentences=("what rolls {way} is {a}",),
    ),
    "slides": Verb(
        third="slides {way}",
        base="slide {way}",
        gerund="sliding {way}",
        answer="slides",
        others=("moves {way}", "glides {way}", "is pushed {way} over the floor"),
    ),
    "falls": Verb(
        third="falls",
        base="fall",
        gerund="falling",
        answer="falls",
        opposite="rises",
        others=("falls to the floor", "drops down", "is dropped", "goes down from the air to the floor"),
        sentences=("{a} being dropped to the floor",),
    ),
    "rises": Verb(
        third="rises",
        base="rise",
        gerund="rising",
        answer="rises",
        opposite="falls",
        others=("rises into the air", "goes up", "is lifted", "leaves the floor and goes up"),
        sentences=("{a} being lifted from the floor",),
    ),
    "bounces": Verb(
        third="bounces",
        base="bounce",
        gerund="bouncing",
        answer="bounces",
        others=("bounces on the floor", "drops and bounces up again", "hits the floor and comes back up"),
    ),
    "hits": Verb(
        third="hits {b}",
        base="hit {b}",
        gerund="hitting {b}",
        answer="hits another object",
        opposite="stops before",
        others=("bumps into {b}", "collides with {b}", "pushes {b} {way}", "runs into {b}, which moves {way}"),
        sentences=("{b} is hit by {a}", "{b} is pushed {way} by {a}"),
    ),
    "stops before": Verb(
        third="stops before {b}",
        base="stop before {b}",
        gerund="stopping before {b}",
        answer="stops before another object",
        opposite="hits",
        others=("moves {way} but does not reach {b}", "comes to rest without touching {b}", "halts in time before {b}"),
        sentences=("{b} is not touched by {a}",),
    ),
    "opens": Verb(
        third="opens",
        base="open",
        gerund="opening",
        answer="opens",
        opposite="closes",
        others=("is opened", "of {b} opens", "is being opened"),
        sentences=("opening {a}", "{the} goes from closed towards open"),
    ),
    "closes": Verb(
        third="closes",
        base="close",
        gerund="closing",
        answer="closes",
        opposite="opens",
        others=("is closed", "of {b} closes", "is being shut"),
        sentences=("closing {a}", "{the} goes from open towards closed"),
    ),
    "spins": Verb(
        third="spins",
        base="spin",
        gerund="spinning",
        answer="spins",
        opposite="stands still",
        others=("turns on the spot", "rotates in place", "keeps turning around", "is spun around"),
    ),
    "topples over": Verb(
        third="topples over",
        base="topple over",
        gerund="toppling over",
        answer="topples over",
        opposite="stands up",
        others=("tips over", "tips over {way}", "topples {way}", "is knocked over"),
    ),
    "stands up": Verb(
        third="stands up",
        base="stand up",
        gerund="standing up",
        answer="stands up",
        opposite="topples over",
        others=("is set upright", "goes from lying to standing", "is raised to stand upright"),
    ),
    "passes in front of": Verb(
        third="passes in front of {b}",
        base="pass in front of {b}",
        gerund="passing in front of {b}",
        answer="passes in front of another object",
        opposite="passes behind",
        others=("moves {way} in front of {b}", "goes by in front of {b}", "crosses before {b}, nearer to the camera"),
        sentences=("{b} is hidden for a moment by {a} that moves {way}",),
    ),
    "passes behind": Verb(
        third="passes behind {b}",
        base="pass behind {b}",
        gerund="passing behind {b}",
        answer="passes behind another object",
        opposite="passes in front of",
        others=("moves {way} behind {b}", "goes by behind {b}", "disappears behind {b} and comes out again"),
        sentences=("{b} hides {a} that moves {way} behind it",),
    ),
    "enters": Verb(
        third="goes into {b}",
        base="go into {b}",
        gerund="going into {b}",
        answer="goes into a tray",
        opposite="leaves",
        others=("hops into {b}", "enters {b}", "is put into {b}"),
        sentences=("{a} on its way into {b}", "putting {a} into {b}"),
    ),
    "leaves": Verb(
        third="comes out of {b}",
        base="come out of {b}",
        gerund="coming out of {b}",
        answer="comes out of a tray",
        opposite="enters",
        others=("hops out of {b}", "leaves {b}", "is taken out of {b}"),
        sentences=("{a} on its way out of {b}", "taking {a} out of {b}"),
    ),
    "comes into view": Verb(
        third="comes into view",
        base="come into view",
        gerund="coming into view",
        answer="comes into view",
        opposite="goes out of view",
        others=("comes into view from the {way}", "appears from the {way}", "enters the picture from the {way}"),
    ),
    "goes out of view": Verb(
        third="goes out of view",
        base="go out of view",
        gerund="going out of view",
        answer="goes out of view",
        opposite="comes into view",
        others=("goes out of view to the {way}", "disappears to the {way}", "leaves the picture on the {way}"),
    ),
}
ANSWERS = tuple(verb.answer for verb in VERBS.values())


def verb_shares() -> dict[str, float]:
    """How frequent each verb is among all scenes."""
    shares = dict.fromkeys(VERBS, 0.0)
    for family in FAMILIES:
        for verb in family:
            parts = {"rolls": 0.8, "slides": 0.2} if verb == "moves" else {verb: 1.0}
            for name, part in parts.items():
                shares[name] += part / len(family) / len(FAMILIES)
    return shares
