"""Motion-captured people: clips of 16 frames of what they do, in which order, how often, which way.

Test clips are seen from heights, and from sides of the person, that no training clip has.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import ClassVar

import numpy as np
from jaxtyping import Float, UInt8

from vljepa.data.corpora.corpus import check_part, split_in_block
from vljepa.data.corpora.people_actions import ACTIONS, BACKWARDS, RECORDED, Action
from vljepa.data.corpora.people_figure import Dress, Motion, figure_body, recorded
from vljepa.data.corpora.people_words import Person, Scenario, Wording
from vljepa.data.corpora.physics import Ranges, draw_view
from vljepa.data.corpora.physics_stage import COLOURS, Look, Renderer, Take, View, compile_model, perform, rgba
from vljepa.data.encode import encode_mp4
from vljepa.data.packages import Package
from vljepa.types import Event, Sample, Split

NUM_FRAMES = 16
CLIPS_A_PART = 250
FAMILIES = ("one", "one", "one", "many", "order", "two")
TRAIN_VIEWS: dict[str, Ranges] = {
    "azimuth": ((0.0, 360.0),),
    "elevation": ((-34.0, -26.0), (-14.0, -5.0)),
    "distance": ((1.0, 1.25),),
}
TEST_VIEWS: dict[str, Ranges] = {
    "azimuth": ((0.0, 360.0),),
    "elevation": ((-23.0, -17.0),),
    "distance": ((1.0, 1.25),),
}
# How far (degrees) the person is turned from the eight chief sides: little in training, more in test.
TRAIN_TURN, TEST_TURN = (0.0, 9.0), (13.0, 21.0)
WAYS = {"right": 0.0, "away from the camera": 90.0, "left": 180.0, "towards the camera": 270.0}
_SKINS = (".93 .76 .62 1", ".78 .57 .42 1", ".55 .37 .25 1", ".36 .23 .16 1")
_LOOK_AT = (0.0, 0.0, 0.75)
_PAUSE = 0.3
_LOOPED = 2.0
_COUNTED = {"jump": 3, "backflip": 3, "spinkick": 2, "cartwheel": 2, "roll": 2}
_CALM = ("dance_b", "getup_facedown", "getup_faceup", "spinkick", "kick", "backflip", "roll", "crawl", "jump")


@dataclass(frozen=True, kw_only=True)
class Scene:
    """Who does what, from where it is seen, and the recording; `seconds` is how long it lasts."""

    scenario: Scenario
    view: View
    take: Take
    seconds: float
    borders: tuple[float, ...] = ()

    def frames(self, size: int) -> UInt8[np.ndarray, "time height width 3"]:
        """Its pictures; the discs on the floor are part of the model."""
        return _renderer(size).frames(self.take, view=self.view, shadows=(0.0,) * len(self.scenario.people))


@dataclass(frozen=True, kw_only=True)
class People:
    """The source "people": `total` clips, `size` pixels square; a `seed` fixes all of it."""

    total: int = 2000
    seed: int = 0
    size: int = 224
    name: ClassVar[str] = "people"
    licence: ClassVar[str] = "Apache-2.0"
    about: ClassVar[str] = "jointed figures with motion-captured movements (pybullet), rendered with MuJoCo; made here"
    packages: ClassVar[tuple[Package, ...]] = ()
    folders: ClassVar[tuple[str, ...]] = ()

    def parts(self) -> int:
        """One part (shard) for each 250 clips."""
        return -(-self.total // CLIPS_A_PART)

    def samples(self, part: int, files: Mapping[str, Path]) -> Iterator[Sample]:
        """The samples of one part; needs no files. Raises ValueError where there is no such part."""
        check_part(self, part)
        for index in range(part * CLIPS_A_PART, min((part + 1) * CLIPS_A_PART, self.total)):
            scene = self.scene(index)
            media = encode_mp4(scene.frames(self.size), fps=round((NUM_FRAMES - 1) / scene.seconds, 2))
            yield self.described(index, scene, media=media)

    def scene(self, index: int) -> Scene:
        """The scene of a number, which alone tells family and split and seeds all that is drawn."""
        test = self.split(index) == "test"
        for attempt in range(40):
            rng = np.random.default_rng([self.seed, index, 7, attempt])
            found = _scene(rng, FAMILIES[index % len(FAMILIES)], test=test)
            if found is not None:
                return found
        raise RuntimeError(f"people {index} found no view that shows all of it in 40 attempts")

    def described(self, index: int, scene: Scene, *, media: bytes) -> Sample:
        """The sample of a scene with its words; `media` is the encoded clip."""
        first = index // len(FAMILIES) % 2 == 0
        scenario, turned = scene.scenario, scene.scenario.backwards()
        told = Wording(scenario, np.random.default_rng([self.seed, index, 8])).told(truth_first=first)
        return Sample(
            key=f"people-{index:06d}",
            media=media,
            extension="mp4",
            captions=told.captions,
            negatives=told.negatives,
            questions=told.questions,
            label=told.label,
            backwards=Wording(turned, np.random.default_rng([self.seed, index, 9])).told(truth_first=first)
            if turned
            else None,
            events=_events(scene),
            source=self.name,
            licence=self.licence,
            concept=f"people-{index}",
            split=self.split(index),
            credit="motions: pybullet_data (zlib licence)",
        )

    def split(self, index: int) -> Split:
        """Of each 20 scenes in a row 3 are for test and 1 for validation."""
        return split_in_block(index, seed=self.seed)


@lru_cache(maxsize=1)
def _renderer(size: int) -> Renderer:
    return Renderer(size)


def _scene(rng: np.random.Generator, family: str, *, test: bool) -> Scene | None:
    """One attempt at a scene; None where somebody would leave the picture or hide somebody else."""
    scenario = _draw_scenario(rng, family)
    motions = [_motion(person, scenario) for person in scenario.people]
    seconds = max(motion.seconds for motion, _ in motions)
    side = TEST_TURN if test else TRAIN_TURN
    turn = math.radians(float(rng.uniform(*side)) * float(rng.choice([-1, 1])))
    drawn = draw_view(rng, TEST_VIEWS if test else TRAIN_VIEWS, look_at=_LOOK_AT)
    widest = max(float(np.linalg.norm(np.ptp(motion.poses[:, :2], axis=0))) for motion, _ in motions)
    view = View(
        azimuth=drawn.azimuth,
        elevation=drawn.elevation,
        distance=drawn.distance * (2.6 + 0.65 * widest + (1.1 if len(motions) > 1 else 0.0)),
        look_at=_LOOK_AT,
    )
    placed = []
    for number, (motion, person) in enumerate(zip((m for m, _ in motions), scenario.people, strict=True)):
        aside = (0.0,) if len(motions) == 1 else (-0.8, 0.8)
        placed.append(_placed(motion, person, view, turn=turn, aside=aside[number]))
    take = _take(rng, placed, scenario, view, seconds)
    if not _all_seen(take, view, len(placed)):
        return None
    return Scene(scenario=scenario, view=view, take=take, seconds=seconds, borders=motions[0][1])


def _draw_scenario(rng: np.random.Generator, family: str) -> Scenario:
    colours = [str(colour) for colour in rng.permutation(list(COLOURS))]
    way = str(rng.choice([*WAYS, *WAYS, *_DIAGONALS]))

    def person(*actions: Action, times: int = 1, speed: str = "") -> Person:
        return Person(actions=actions, shirt=colours.pop(), trousers=colours.pop(), way=way, times=times, speed=speed)

    if family == "many":
        file = str(rng.choice(list(_COUNTED)))
        of_file = [action for action in ACTIONS.values() if action.file == file and action.many]
        action = of_file[int(rng.integers(len(of_file)))]
        return Scenario(people=(person(action, times=int(rng.integers(1, _COUNTED[file] + 1))),), counted=True)
    if family == "order":
        chains = [action for action in ACTIONS.values() if action.chains]
        first, second = (chains[i] for i in rng.permutation(len(chains))[:2])
        return Scenario(people=(person(first, second),))
    if family == "two":
        calm = [action for action in ACTIONS.values() if action.file in _CALM]
        first, second = (calm[i] for i in rng.permutation(len(calm))[:2])
        return Scenario(people=(person(first), person(second)))
    base = str(rng.choice(BACKWARDS if rng.random() < 0.25 else RECORDED))
    action = ACTIONS[base]
    speed = str(rng.choice(["slowly", "", "quickly"])) if action.file in ("walk", "crawl") else ""
    return Scenario(people=(person(action, speed=speed),))


_DIAGONALS = ("half right, away", "half left, away", "half left, near", "half right, near")
_TURNS = WAYS | dict(zip(_DIAGONALS, (45.0, 135.0, 225.0, 315.0), strict=True))


def _motion(person: Person, scenario: Scenario) -> tuple[Motion, tuple[float, ...]]:
    """What a person does from beginning to end, and the seconds at which one action ends and the next begins."""
    first = person.actions[0]
    if len(person.actions) == 2:
        one, other = (recorded(action.file) for action in person.actions)
        return one.then(other, pause=_PAUSE), (one.seconds, one.seconds + _PAUSE)
    motion = recorded(first.file)
    times = person.times
    factor = {"slowly": 0.6, "": 1.0, "quickly": 1.7}[person.speed]
    if first.loops and len(scenario.people) == 1:
        # Fast runners would leave any picture within two seconds.
        lasting = _LOOPED * factor * (0.5 if first.file == "run" else 1.0)
        while motion.seconds < lasting:
            motion = motion.then(recorded(first.file), pause=1 / 30)
        motion = motion.until(lasting)
    for _ in range(times - 1):
        motion = motion.then(recorded(first.file), pause=_PAUSE / 2)
    return (motion.reversed() if first.is_reversed else motion).faster(factor), ()


def _placed(motion: Motion, person: Person, view: View, *, turn: float, aside: float) -> Motion:
    """Turned so that the person goes (or faces) the way that was drawn, with the middle of the path in the middle."""
    away = motion.travel
    own = math.atan2(away[1], away[0]) if person.actions[0].travels else _facing_first(motion)
    wanted = view.yaw(math.radians(_TURNS[person.way]) + turn)
    turned = motion.moved(wanted - own, np.zeros(2))
    places = turned.poses[:, :2]
    middle = (places.max(axis=0) + places.min(axis=0)) / 2
    return turned.moved(0.0, np.array(view.ground(aside, 0.0)) - middle + turned.poses[0, :2])


def _facing_first(motion: Motion) -> float:
    w, x, y, z = motion.poses[0, 3:7]
    return math.atan2(2 * (x * y + w * z), 1 - 2 * (y * y + z * z))


def _take(rng: np.random.Generator, placed: list[Motion], scenario: Scenario, view: View, seconds: float) -> Take:
    """The recording of everybody, each with a soft disc on the floor that follows the hips."""
    times = np.linspace(0, seconds, NUM_FRAMES)
    bodies, poses = [], []
    for number, (motion, person) in enumerate(zip(placed, scenario.people, strict=True)):
        dress = Dress(shirt=rgba(person.shirt), trousers=rgba(person.trousers), skin=str(rng.choice(_SKINS)))
        own = motion.at(np.minimum(times, motion.seconds))
        bodies += [figure_body(dress, f"t{number}"), _SHADOW.format(number=number)]
        poses += [own, own[:, :2]]
    model = compile_model(Look.draw(rng, view), bodies)
    return perform(model, np.concatenate(poses, axis=1))


_SHADOW = (
    '<body name="shadow{number}"><joint type="slide" axis="1 0 0"/><joint type="slide" axis="0 1 0"/>'
    '<geom type="cylinder" size=".3 .001" pos="0 0 .003" rgba="0 0 0 .3" contype="0" conaffinity="0"/></body>'
)


def _all_seen(take: Take, view: View, number: int) -> bool:
    """Whether everybody is whole in the picture all the time, and two people stay apart in it."""
    height = np.array([0.0, 0.0, 0.55])
    seen: Float[np.ndarray, "time thing 3"] = view.project(take.centres[:, :number])
    reach = 0.9 / (2 * math.tan(math.radians(22.5)) * seen[..., 2])
    inside = np.minimum(seen[..., 0], 1 - seen[..., 0]) > 0.55 * reach
    heads = view.project(take.centres[:, :number] + height)[..., 1] > 0.02
    if number == 2:
        gap = seen[:, 1, 0] - seen[:, 0, 0]
        if (gap < 1.05 * reach.max(axis=1)).any():
            return False
    return bool(inside.all() and heads.all())


def _events(scene: Scene) -> tuple[Event, ...]:
    """When each of two actions takes place, in seconds of the clip."""
    person = scene.scenario.people[0]
    if len(person.actions) != 2:
        return ()
    ends = ((0.0, scene.borders[0]), (scene.borders[1], scene.seconds))
    return tuple(
        Event(action=f"a person {action.third}", start=round(start, 2), end=round(end, 2))
        for action, (start, end) in zip(person.actions, ends, strict=True)
    )
