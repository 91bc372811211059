"""The stories of `sequences`: things that move one after the other, and motions that are cut before what they lead to.

What comes after the last frame was simulated too: a thing is said to be about to hit another one because it did.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Float

from vljepa.data.corpora.physics_cast import OPPOSITE_WAY, Cast
from vljepa.data.corpora.physics_scene import Layout, Scene
from vljepa.data.corpora.physics_stage import (
    COLOURS,
    FRAME_RATE,
    NUM_FRAMES,
    SHAPES,
    Look,
    Placed,
    Thing,
    View,
    perform,
    simulate,
    upright,
)
from vljepa.data.corpora.physics_stories import launch, mover

Family = Literal["order", "hit", "leave", "wave"]
FAMILIES: tuple[Family, ...] = ("order", "hit", "order", "leave", "wave")
DEEDS = ("falls", "rises", "jumps", "goes to the left", "goes to the right")
BACKWARDS = {"falls": "rises", "rises": "falls", "jumps": "jumps"} | {
    f"goes to the {way}": f"goes to the {OPPOSITE_WAY[way]}" for way in ("left", "right")
}
# So many frames are simulated where a clip shows the first NUM_FRAMES.
_FORESEEN = 20
_SHOWN = (NUM_FRAMES - 1) / FRAME_RATE
_STORIES, _ATTEMPTS = 20, 400
_ROW = 4


@dataclass(frozen=True)
class Deed:
    """A thing and what it does, one of DEEDS."""

    thing: Thing
    verb: str


@dataclass(frozen=True, kw_only=True)
class Story:
    """What is shown, in its order (`deeds`), and what it leads to.

    hit: `following` is what the thing is about to hit, `behind` what it leaves behind. wave: things jump one after the
    other along the `row`, and `following` is whose turn comes. order, leave: neither.
    """

    family: Family
    deeds: tuple[Deed, ...]
    following: Thing | None = None
    behind: Thing | None = None
    row: tuple[Thing, ...] = ()

    @property
    def way(self) -> str:
        """ "left" or "right", of hit and leave."""
        return self.deeds[0].verb.rsplit(" ", 1)[-1]

    def backwards(self) -> "Story | None":
        """What the same frames tell when played backwards; None where they lead to nothing then."""
        deeds = tuple(Deed(deed.thing, BACKWARDS[deed.verb]) for deed in self.deeds[::-1])
        if self.family != "wave":
            return replace(self, deeds=deeds, following=self.behind, behind=self.following)
        first, then = (self.row.index(deed.thing) for deed in deeds)
        turn = 2 * then - first
        return replace(self, deeds=deeds, following=self.row[turn]) if 0 <= turn < len(self.row) else None


def direct(rng: np.random.Generator, view: View, family: Family) -> tuple[Story, Scene]:
    """A story of the family, and the scene that bears it out; deterministic in the random source.

    Another story is drawn where one finds no place: two large things on their way need more room than some views have.
    """
    look = Look.draw(rng, view)
    for _ in range(_STORIES):
        story, others = draw_story(rng, family)
        things = (*_acting(story), *(thing for thing in (story.following, story.behind) if thing), *others)
        cast = Cast(verb="", way="", things=tuple(dict.fromkeys(things)), subject=things[0])
        layout = Layout(rng=rng, view=view, look=look, cast=cast)
        for _ in range(_ATTEMPTS):
            scene = _PLAYS[family](layout, story)
            scene = layout.populated(scene) if scene else None
            if scene is not None:
                return story, scene
    raise RuntimeError(f"no story of {family} finds its place seen from {view}; a rule of its family cannot be met")


def _acting(story: Story) -> tuple[Thing, ...]:
    """Who has a place of its own before others are looked for: a row, or those that move."""
    return story.row or tuple(dict.fromkeys(deed.thing for deed in story.deeds))


def draw_story(rng: np.random.Generator, family: Family) -> tuple[Story, tuple[Thing, ...]]:
    """A story, and who stands by. Colours differ, so that a colour is enough to name a thing."""
    colours = [str(colour) for colour in rng.permutation(list(COLOURS))]

    def thing() -> Thing:
        return Thing(shape=str(rng.choice(SHAPES)), colour=colours.pop(), large=bool(rng.random() < 0.5))

    if family == "wave":
        row = tuple(replace(thing(), large=False) for _ in range(_ROW))
        row = tuple(replace(each, shape=row[0].shape) for each in row) if rng.random() < 0.5 else row
        first, then = ((0, 1), (1, 2), (3, 2), (2, 1))[int(rng.integers(4))]
        deeds = (Deed(row[first], "jumps"), Deed(row[then], "jumps"))
        return Story(family=family, deeds=deeds, following=row[2 * then - first], row=row), ()
    if family == "order":
        alone = rng.random() < 0.25
        one = thing()
        other = one if alone else thing()
        verbs = _two_deeds(rng) if alone else [str(rng.choice(DEEDS)) for _ in range(2)]
        others = tuple(thing() for _ in range(int(rng.integers(0, 3 if alone else 2))))
        return Story(family=family, deeds=(Deed(one, verbs[0]), Deed(other, verbs[1]))), others
    goes = Deed(thing(), f"goes to the {rng.choice(['left', 'right'])}")
    if family == "leave":
        return Story(family=family, deeds=(goes,)), tuple(thing() for _ in range(int(rng.integers(0, 3))))
    goes = replace(goes, thing=replace(goes.thing, large=False))
    return Story(family=family, deeds=(goes,), following=thing(), behind=thing()), ()


def _two_deeds(rng: np.random.Generator) -> list[str]:
    """Two deeds that one thing can do one after the other, and in the other order as well."""
    possible = ("falls", "rises") if rng.random() < 0.25 else ("jumps", "goes to the left", "goes to the right")
    return [str(verb) for verb in rng.permutation(possible)[:2]]


def _one_by_one(layout: Layout, story: Story) -> Scene | None:
    """Each deed in its half of the clip, along prescribed paths."""
    rng = layout.rng
    acting = _acting(story)
    actors = [
        Placed(
            thing=thing, position=(*place, thing.height), orientation=upright(rng.uniform(0, 2 * math.pi)), free=True
        )
        for thing, place in zip(acting, _places(layout, len(acting), in_a_row=bool(story.row)), strict=True)
    ]
    begin, border, end = rng.uniform(0.0, 0.6), rng.uniform(3.1, 3.9), rng.uniform(6.4, 7.0)
    windows = ((begin, border), (border, end))
    paths = {
        placed.thing: placed.position
        + _path(
            layout,
            [
                (deed.verb, window)
                for deed, window in zip(story.deeds, windows, strict=True)
                if deed.thing == placed.thing
            ],
        )
        for placed in actors
    }
    poses = [
        np.concatenate([paths[placed.thing], np.tile(placed.orientation, (NUM_FRAMES, 1))], axis=1) for placed in actors
    ]
    take = perform(layout.model(actors), np.concatenate(poses, axis=1))
    scene = layout.scene(take, actors)
    return scene if layout.in_picture(take.centres) and _apart(layout, take.centres) else None


def _places(layout: Layout, number: int, *, in_a_row: bool) -> list[tuple[float, float]]:
    """Places on the floor: anywhere, or from left to right at equal distances."""
    rng, view = layout.rng, layout.view
    if not in_a_row:
        right = rng.uniform(-0.8, 0.8, number) * view.half_width
        depth = rng.uniform(-0.6, 1.2, number)
    else:
        right = np.linspace(-1, 1, number) * rng.uniform(0.55, 0.72) * view.half_width
        depth = np.full(number, rng.uniform(-0.3, 0.8)) + rng.uniform(-0.1, 0.1, number)
    return [(float(x), float(y)) for x, y in (view.ground(*place) for place in zip(right, depth, strict=True))]


def _path(layout: Layout, deeds: Sequence[tuple[str, tuple[float, float]]]) -> Float[np.ndarray, "time 3"]:
    """Where a thing's deeds, each between two times (frames), take it, as seen from its place on the floor."""
    rng, view = layout.rng, layout.view
    height = rng.uniform(0.6, 1.0)
    path = np.zeros((NUM_FRAMES, 3))
    if next((verb for verb, _ in deeds if verb in ("falls", "rises")), "") == "falls":
        path[:, 2] = height
    for verb, (start, end) in deeds:
        done = np.clip((np.arange(NUM_FRAMES) - start) / (end - start), 0, 1)
        if verb.startswith("goes"):
            sign = 1 if verb.endswith("right") else -1
            step = view.ground(sign * rng.uniform(0.4, 0.7) * view.half_width, 0.0)
            path[:, :2] += (done**2 * (3 - 2 * done))[:, None] * np.array(step)
        else:
            path[:, 2] += (
                height * {"falls": -(done**2), "rises": 1 - (1 - done) ** 2, "jumps": 4 * done * (1 - done)}[verb]
            )
    return path


def _apart(layout: Layout, centres: Float[np.ndarray, "time thing 3"]) -> bool:
    """Whether nobody covers anybody at any time."""
    seen, radii = layout.seen(centres)
    for one in range(centres.shape[1]):
        for other in range(one):
            across = np.linalg.norm(seen[:, one, :2] - seen[:, other, :2], axis=-1)
            if (across < 0.9 * (radii[:, one] + radii[:, other])).any():
                return False
    return True


def _runs_into(layout: Layout, story: Story) -> Scene | None:
    """A thing between two others, on its way to one of them; the clip ends before it gets there.

    Where it is says nothing: either way it begins anywhere between the two, as far as the way is long enough.
    """
    rng, view, sign = layout.rng, layout.view, 1 if story.way == "right" else -1
    thing, target, behind = layout.cast.things[:3]
    assert target == story.following and behind == story.behind
    depth, reach = rng.uniform(-0.3, 0.7), rng.uniform(0.68, 0.82) * view.half_width
    heading = view.yaw(0.0 if sign > 0 else math.pi)
    free = 2 * reach - target.radius - behind.radius - 2 * thing.radius
    length = rng.uniform(0.52, 0.64) * free
    start = -reach + behind.radius + thing.radius + rng.uniform(0.0, free - length)
    actors = [
        mover(thing, view.ground(sign * start, depth), heading),
        *(
            Placed(
                thing=one,
                position=(*view.ground(sign * place, depth), one.height),
                orientation=upright(rng.uniform(0, 2 * math.pi)),
            )
            for one, place in ((target, reach), (behind, -reach))
        ),
    ]
    take = simulate(layout.model(actors), launch(thing, heading, length / _SHOWN), num_frames=_FORESEEN)
    hit = bool(take.touched[-1]) and not take.touched[: NUM_FRAMES + 1].any()
    shown = take.until(NUM_FRAMES)
    return layout.scene(shown, actors) if hit and layout.in_picture(shown.centres) else None


def _runs_out(layout: Layout, story: Story) -> Scene | None:
    """A thing on its way out of the picture; the clip ends while all of it is still there."""
    rng, view, sign = layout.rng, layout.view, 1 if story.way == "right" else -1
    thing, depth = layout.cast.subject, rng.uniform(-0.4, 0.8)
    heading = layout.heading(0.0 if sign > 0 else math.pi, 0.12)
    inside = view.half_width * (1 + depth / view.distance) - 1.1 * thing.radius
    length = rng.uniform(0.9, 1.2) * inside
    start = -inside + rng.uniform(0.0, 2 * inside - length)
    actor = mover(thing, view.ground(sign * start, depth), heading)
    model = layout.model([actor])
    take = simulate(model, launch(thing, heading, length / _SHOWN), num_frames=2 * _FORESEEN)
    shown, after = take.until(NUM_FRAMES), view.project(take.centres[:, 0])
    left = sign * (after[-1, 0] - 0.5) > 0.5
    seen, radii = layout.seen(shown.centres)
    whole = (np.minimum(seen[..., 0], 1 - seen[..., 0]) > 0.95 * radii).all()
    return layout.scene(shown, [actor]) if left and whole else None


_PLAYS = {"order": _one_by_one, "wave": _one_by_one, "hit": _runs_into, "leave": _runs_out}
