"""Meta-World's robot arm at 48 tasks: clips of attempts that succeed or fail, from views and seeds kept apart for test.

Words are true of what was simulated: success is the environment's own flag, and that a thing moved or stayed where it
was is read off the recorded poses.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np

from vljepa.data.corpora.corpus import check_part, split_in_block
from vljepa.data.corpora.metaworld_stage import Manner, Pictures, Rollout, Workbench
from vljepa.data.corpora.metaworld_tasks import TASKS, Task
from vljepa.data.corpora.metaworld_words import Attempt, Wording, third
from vljepa.data.corpora.physics import Ranges, draw_view
from vljepa.data.corpora.physics_stage import COLOURS, View
from vljepa.data.encode import encode_mp4
from vljepa.data.packages import Package
from vljepa.types import Event, Sample, Split

NUM_FRAMES, FPS = 8, 4.0
TASKS_A_PART = 4
# From the robot's sides, where neither the arm nor the back of a door hides what happens.
TRAIN_VIEWS: dict[str, Ranges] = {
    "azimuth": ((150.0, 178.0), (196.0, 214.0), (326.0, 344.0), (2.0, 30.0)),
    "elevation": ((-40.0, -32.0), (-24.0, -16.0)),
    "distance": ((1.1, 1.5),),
}
TEST_VIEWS: dict[str, Ranges] = {
    "azimuth": ((181.0, 193.0), (347.0, 359.0)),
    "elevation": ((-30.0, -26.0),),
    "distance": ((1.1, 1.5),),
}
_LOOK_AT = (0.0, 0.66, 0.12)
# How often an attempt is of which kind; where a task knows no such failure, or does not fail in time, it succeeds.
_OUTCOMES: dict[str, float] = {"done": 0.6, "begun": 0.14, "half": 0.08, "short": 0.08, "beside": 0.1}
_TRIES, _MORE_TRIES = 3, 9


@dataclass(frozen=True, kw_only=True)
class Scene:
    """One attempt as it was simulated: its words' facts, the camera, and which steps of the rollout are shown."""

    attempt: Attempt
    view: View
    rollout: Rollout
    steps: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class MetaWorld:
    """The source "metaworld": `per_task` attempts at each task, clips of 8 frames of `size` pixels square.

    Attempts for training are shown from `sides` sides, each with words of its own. `seed` fixes all.
    """

    per_task: int = 40
    sides: int = 1
    seed: int = 0
    size: int = 224
    skipped: Counter[str] = field(default_factory=Counter, compare=False)
    name: ClassVar[str] = "metaworld"
    licence: ClassVar[str] = "Apache-2.0"
    about: ClassVar[str] = "a robot arm at 48 tasks (Meta-World), simulated and rendered with MuJoCo; made here"
    packages: ClassVar[tuple[Package, ...]] = ()
    folders: ClassVar[tuple[str, ...]] = ()

    def parts(self) -> int:
        """One part (shard) for each 4 tasks."""
        return len(TASKS) // TASKS_A_PART

    def samples(self, part: int, files: Mapping[str, Path]) -> Iterator[Sample]:
        """The clips of the part's tasks; needs no files. Raises ValueError where there is no such part."""
        check_part(self, part)
        self.skipped.clear()
        for number in range(part * TASKS_A_PART, (part + 1) * TASKS_A_PART):
            yield from self._of_task(number)

    def _of_task(self, number: int) -> Iterator[Sample]:
        bench = Workbench(list(TASKS.values())[number])
        pictures = Pictures(bench, size=self.size)
        try:
            for index in range(number * self.per_task, (number + 1) * self.per_task):
                scene = self.scene(index, bench)
                if scene is None:
                    self.skipped[f"{bench.task.name} did not succeed"] += 1
                    continue
                if scene.attempt.colour:
                    pictures.paint(bench.task.painted, scene.attempt.colour)
                for side in range(self.sides if self.split(index) == "train" else 1):
                    view = self._view(index, side) if side else scene.view
                    frames = pictures.frames(scene.rollout, scene.steps, view=view)
                    yield self.described(index, scene, media=encode_mp4(frames, fps=FPS), side=side)
        finally:
            pictures.close()

    def task(self, index: int) -> Task:
        """The task of a number."""
        return list(TASKS.values())[index // self.per_task]

    def scene(self, index: int, bench: Workbench) -> Scene | None:
        """The attempt of a number, simulated; None where the policy never does what was drawn, nor succeeds."""
        rng = np.random.default_rng([self.seed, index, 5])
        view = draw_view(rng, TEST_VIEWS if self.split(index) == "test" else TRAIN_VIEWS, look_at=_LOOK_AT)
        colour = str(rng.choice(list(COLOURS))) if bench.task.painted else ""
        outcome = str(rng.choice(list(_OUTCOMES), p=list(_OUTCOMES.values())))
        if bench.task.hand and outcome in ("begun", "short", "beside"):
            outcome = "half" if outcome == "begun" else "done"
        wanted = [outcome] * _TRIES + ["done"] * _MORE_TRIES
        for outcome in wanted:
            manner: Manner = "done" if outcome == "begun" else outcome  # type: ignore[assignment]
            rollout = bench.rollout(manner, seed=int(rng.integers(2**31)))
            if rollout is not None:
                attempt = Attempt(task=bench.task, colour=colour, outcome=outcome)
                return Scene(attempt=attempt, view=view, rollout=rollout, steps=_steps(rollout, outcome))
        return None

    def _view(self, index: int, side: int) -> View:
        """Another side of a training attempt than the one that its scene is drawn with."""
        return draw_view(np.random.default_rng([self.seed, index, 5, side]), TRAIN_VIEWS, look_at=_LOOK_AT)

    def described(self, index: int, scene: Scene, *, media: bytes, side: int = 0) -> Sample:
        """The sample of a scene with its words; `media` is the encoded clip, seen from the `side` of that number."""
        drawn = [self.seed, index, 6, side] if side else [self.seed, index, 6]
        wording = Wording(scene.attempt, np.random.default_rng(drawn))
        told = wording.told(truth_first=(index + side) % 2 == 0)
        return Sample(
            key=f"metaworld-{index:06d}" + (f"-side-{side}" if side else ""),
            media=media,
            extension="mp4",
            captions=told.captions,
            negatives=told.negatives,
            questions=told.questions,
            label=told.label,
            backwards=wording.backwards(),
            events=_events(scene),
            source=self.name,
            licence=self.licence,
            concept=f"metaworld-{index}",
            split=self.split(index),
            credit="Meta-World (MIT), Farama Foundation",
        )

    def split(self, index: int) -> Split:
        """Of each 20 attempts in a row 3 are for test and 1 for validation."""
        return split_in_block(index, seed=self.seed)


def _steps(rollout: Rollout, outcome: str) -> tuple[int, ...]:
    """The steps of a clip, evenly spread: what comes before the thing moves, or the act and as long before it."""
    first, last = 0, len(rollout.poses) - 1
    if outcome == "begun" and rollout.moved is not None:
        last = max(rollout.moved - 3, NUM_FRAMES)
    elif rollout.moved is not None:
        first = max(0, rollout.moved - max(last - rollout.moved, 16))
    return tuple(round(step) for step in np.linspace(first, last, NUM_FRAMES))


def _events(scene: Scene) -> tuple[Event, ...]:
    """The phases of an attempt that succeeds: the arm reaches until the thing first moves, then it does what it does.

    Borders lie on frames, so that a last digit of the simulation moves none of them.
    """
    attempt, moved = scene.attempt, scene.rollout.moved
    end = (NUM_FRAMES - 1) / FPS
    if attempt.outcome != "done" or moved is None or attempt.task.hand:
        return ()
    border = sum(step < moved for step in scene.steps) / FPS
    if not 0 < border < end:
        return ()
    return (
        Event(action=f"the robot arm reaches for the {attempt.thing}", start=0.0, end=border),
        Event(action=f"the robot arm {third(attempt.base)}", start=border, end=end),
    )
