"""Who plays in a physics scene and what happens: drawn before any place, so that no layout makes one word likelier."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from vljepa.data.corpora.physics_stage import COLOURS, SHAPES, Thing

FAMILIES: tuple[tuple[str, ...], ...] = (
    ("stands still",),
    ("moves",),
    ("falls", "rises", "bounces"),
    ("hits", "stops before"),
    ("opens", "closes"),
    ("spins", "stands still", "topples over", "stands up"),
    ("passes in front of", "passes behind", "enters", "leaves", "comes into view", "goes out of view"),
)


@dataclass(frozen=True, kw_only=True)
class Cast:
    """What is decided before the layout: who plays, what happens, which way.

    `things` are those that can be counted, the first is the subject. `uniform` are those whose shape says nothing about
    the verb. `arrangement` tells how a still scene is described: "group", "list" or "relation".
    """

    verb: str
    way: str
    things: tuple[Thing, ...]
    uniform: tuple[Thing, ...] = ()
    other: Thing | None = None
    subject: Thing
    arrangement: str = ""
    counted: bool = False


BACKWARDS = {
    "stands still": "stands still",
    "rolls": "rolls",
    "slides": "slides",
    "falls": "rises",
    "opens": "closes",
    "spins": "spins",
    "topples over": "stands up",
    "passes in front of": "passes in front of",
    "passes behind": "passes behind",
    "enters": "leaves",
    "comes into view": "goes out of view",
}
BACKWARDS |= {backward: forward for forward, backward in BACKWARDS.items()}
OPPOSITE_WAY = {
    "left": "right",
    "right": "left",
    "towards the camera": "away from the camera",
    "away from the camera": "towards the camera",
}


def backwards(cast: Cast) -> Cast | None:
    """What a clip of this cast shows when it is played backwards; None where words fail (a bounce, a collision).

    A way is the opposite one where it says whither a thing moves; the side on which a thing lies, topples or leaves
    the picture stays.
    """
    if cast.verb not in BACKWARDS:
        return None
    turns = cast.verb in ("rolls", "slides", "passes in front of", "passes behind")
    return replace(cast, verb=BACKWARDS[cast.verb], way=OPPOSITE_WAY[cast.way] if turns else cast.way)


def draw_cast(rng: np.random.Generator, family: int) -> Cast:
    """Who plays and what happens, in a family of `FAMILIES`."""
    verb = str(rng.choice(FAMILIES[family]))
    colours = [str(colour) for colour in rng.permutation(list(COLOURS))]

    def thing(*shapes: str) -> Thing:
        return Thing(shape=str(rng.choice(shapes or SHAPES)), colour=colours.pop(), large=bool(rng.integers(2)))

    side = str(rng.choice(["left", "right"]))
    if family == 0:
        return _still_cast(rng, thing, side)
    if family == 4:
        shape = str(rng.choice(["door", "lid", "drawer"]))
        frame = {"door": "frame", "lid": "box", "drawer": "cabinet"}[shape]
        return Cast(verb=verb, way="", things=(), subject=thing(shape), other=thing(frame))
    return _moving_cast(rng, thing, verb, side)


def _moving_cast(rng: np.random.Generator, thing: Callable[..., Thing], verb: str, side: str) -> Cast:
    """The casts of all families in which things move or might."""
    shapes: tuple[str, ...] = {
        "bounces": ("ball",),
        "hits": ("ball", "cube"),
        "stops before": ("ball", "cube"),
        "spins": ("cube", "cylinder", "capsule", "egg"),
        "stands still": ("cube", "cylinder", "capsule", "egg"),
        "topples over": ("cylinder", "capsule"),
        "stands up": ("cylinder", "capsule"),
    }.get(verb, SHAPES)
    subject, way, other = thing(*shapes), side, None
    if verb == "moves":
        way = str(rng.choice(["left", "right", "towards the camera", "away from the camera"]))
        verb = "slides" if subject.shape == "cube" else "rolls"
    counted = verb in (
        "rolls",
        "slides",
        "falls",
        "rises",
        "bounces",
        "spins",
        "stands still",
        "topples over",
        "stands up",
    )
    extras = int(rng.integers(0, 4)) if counted else int(rng.integers(0, 2))
    if verb in ("hits", "stops before", "passes in front of", "passes behind"):
        other = thing("ball", "cube") if verb in ("hits", "stops before") else replace(thing(), large=True)
        subject = subject if verb in ("hits", "stops before") else replace(subject, large=False)
    extras += verb in ("comes into view", "goes out of view")
    bystanders = tuple(thing() for _ in range(extras))
    if verb in ("enters", "leaves"):
        subject, other = replace(subject, large=False), replace(thing("tray"), large=True)
    pair = (other,) if other is not None and other.shape != "tray" else ()
    uniform = (subject, *bystanders) if shapes is SHAPES else bystanders
    if verb in ("falls", "rises", "stands up", "spins", "stands still"):
        way = side if verb == "stands up" else ""
    return Cast(
        verb=verb,
        way=way,
        things=(subject, *pair, *bystanders),
        uniform=uniform,
        subject=subject,
        other=other,
        counted=counted,
    )


def _still_cast(rng: np.random.Generator, thing: Callable[..., Thing], side: str) -> Cast:
    count = int(rng.integers(1, 5))
    arrangement = str(
        rng.choice({1: ["group"], 2: ["group", "relation", "relation"]}.get(count, ["group", "list", "list"]))
    )
    things = tuple(thing() for _ in range(count))
    if arrangement == "group":
        things = (things[0],) * count
    related = arrangement == "relation"
    return Cast(
        verb="stands still",
        way=side if related else "",
        things=things,
        uniform=things if arrangement != "group" else things[:1],
        subject=things[0],
        other=things[1] if related else None,
        arrangement=arrangement,
        counted=True,
    )
