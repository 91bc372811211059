"""Made-up evenings of television: which frame of which held-out clip is shown when, and what is true at which second.

A script holds no pixels. The same clips and the same seed always give the same script.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from random import Random
from typing import NamedTuple

# Seconds of one embedding and between two, as in `watch`.
WINDOW, HOP = 2.0, 0.5
EVENTS = (60, 66)
SHORTEST, LONGEST = 180.0, 360.0
# Scenes last e^N(log 4.2, 0.6) seconds, so some last four times as long as others.
_TYPICAL, _SPREAD = 4.2, 0.6
_SCENE = (2.0, 20.0)
_DISSOLVES, _DISSOLVE_SECONDS = 0.25, (1.0, 2.0)


class Frame(NamedTuple):
    """Frame `number` of a clip; in a dissolve `share` (0 to 1) of it is that of the clip `over`."""

    clip: str
    number: int
    over: str = ""
    over_number: int = 0
    share: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Play:
    """A clip that can be shown: its captions, and whether it is repeated or takes the time that its scene has."""

    key: str
    captions: tuple[str, ...]
    num_frames: int
    loops: bool


@dataclass(frozen=True, kw_only=True)
class Annotation:
    """What is true at one second, in several wordings."""

    time: float
    captions: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Script:
    """A stream: its frames at `rate` a second, what is annotated, and the seconds at which the scene changes."""

    rate: float
    frames: tuple[Frame, ...]
    annotations: tuple[Annotation, ...]
    boundaries: tuple[float, ...]

    @property
    def seconds(self) -> float:
        """How long it is."""
        return len(self.frames) / self.rate


class _Scene(NamedTuple):
    play: Play
    first: int
    num_frames: int

    def frame(self, place: int) -> Frame:
        """What is shown at a frame of the stream; it may lie a little outside the scene, where a dissolve does."""
        number = max(place - self.first, 0)
        if self.play.loops:
            return Frame(self.play.key, number % self.play.num_frames)
        passed = min(number / (self.num_frames - 1), 1.0)
        return Frame(self.play.key, round(passed * (self.play.num_frames - 1)))


def write_script(plays: Sequence[Play], *, rate: float, seed: int) -> Script:
    """A stream of 60 to 66 scenes in 3 to 6 minutes, one annotation in each, all of different clips.

    What is no loop is played once, as slowly as its scene is long, so that its captions stay true from cut to cut.
    Three scenes of four end with a cut, the others dissolve into the next within 1 to 2 seconds. ValueError where there
    are fewer clips than scenes.
    """
    random = Random(seed)
    num_scenes = random.randint(*EVENTS)
    if len(plays) < num_scenes:
        raise ValueError(f"{len(plays)} held-out clips are too few for a stream of {num_scenes} scenes: add some")
    scenes, first = [], 0
    for play, length in zip(random.sample(list(plays), num_scenes), _lengths(num_scenes, rate, random), strict=True):
        scenes.append(_Scene(play, first, length))
        first += length
    frames = [scene.frame(scene.first + place) for scene in scenes for place in range(scene.num_frames)]
    for before, after in pairwise(scenes):
        if random.random() < _DISSOLVES:
            _dissolve(frames, before, after, num_frames=round(random.uniform(*_DISSOLVE_SECONDS) * rate))
    return Script(
        rate=rate,
        frames=tuple(frames),
        annotations=tuple(_annotation(scene, rate, random) for scene in scenes),
        boundaries=tuple(scene.first / rate for scene in scenes[1:]),
    )


def _lengths(num_scenes: int, rate: float, random: Random) -> list[int]:
    """Frames of each scene; what they last beyond the shortest is stretched where a stream is too short or too long."""
    shortest, longest = _SCENE
    drawn = [random.lognormvariate(math.log(_TYPICAL), _SPREAD) for _ in range(num_scenes)]
    beyond = [min(max(seconds, shortest), longest) - shortest for seconds in drawn]
    total, rounding = sum(beyond), num_scenes / rate
    least, most = (seconds - num_scenes * shortest for seconds in (SHORTEST + rounding, LONGEST - rounding))
    stretch = min(max(total, least), most) / total
    return [round((shortest + stretch * seconds) * rate) for seconds in beyond]


def _dissolve(frames: list[Frame], before: _Scene, after: _Scene, *, num_frames: int) -> None:
    """Blend the frames around the boundary of two scenes, half of them on each side."""
    begin = after.first - num_frames // 2
    for step in range(num_frames):
        place = begin + step
        old, new = before.frame(place), after.frame(place)
        frames[place] = Frame(old.clip, old.number, new.clip, new.number, round((step + 1) / (num_frames + 1), 3))


def _annotation(scene: _Scene, rate: float, random: Random) -> Annotation:
    """A second in the scene, not at its very edges."""
    begin, end = scene.first / rate, (scene.first + scene.num_frames) / rate
    edge = min(0.5, (end - begin) / 2)
    return Annotation(time=random.uniform(begin + edge, end - edge), captions=scene.play.captions)


@dataclass(frozen=True, kw_only=True)
class Recording:
    """A camera's clip with what happens between which seconds, in wordings."""

    key: str
    num_frames: int
    events: tuple[tuple[float, float, tuple[str, ...]], ...]


def join_recordings(recordings: Sequence[Recording], *, rate: float, seed: int) -> Script:
    """Recordings with timed events one after the other, cut to cut, in an order of the seed."""
    frames: list[Frame] = []
    annotations: list[Annotation] = []
    edges: set[float] = set()
    for recording in Random(seed).sample(list(recordings), len(recordings)):
        begin = len(frames) / rate
        length = recording.num_frames / rate
        frames += [Frame(recording.key, number) for number in range(recording.num_frames)]
        for start, end, captions in recording.events:
            annotations.append(Annotation(time=begin + (start + min(end, length)) / 2, captions=captions))
            edges.add(begin + start)
        edges.add(begin)
    ordered = sorted(edge for edge in edges if edge > 0)
    apart = [edge for place, edge in enumerate(ordered) if not place or edge - ordered[place - 1] >= HOP]
    in_order = tuple(sorted(annotations, key=lambda annotation: annotation.time))
    return Script(rate=rate, frames=tuple(frames), annotations=in_order, boundaries=tuple(apart))
