"""Scenes in which one thing comes after the other, and scenes that are cut before what they lead to.

Which of two things moves first, and what will happen next: a single frame of them answers neither.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from vljepa.data.corpora.corpus import check_part, split_in_block
from vljepa.data.corpora.physics import (
    CLIPS_A_PART,
    TEST_CAMERAS,
    TRAIN_CAMERAS,
    draw_view,
    mp4_from_frames,
    renderer,
)
from vljepa.data.corpora.physics_scene import Scene
from vljepa.data.corpora.sequences_stories import FAMILIES, Story, direct
from vljepa.data.corpora.sequences_words import Wording
from vljepa.data.packages import Package
from vljepa.types import Sample, Split


@dataclass(frozen=True)
class Sequences:
    """The source "sequences": `total` clips of 8 frames, 4 a second, `size` pixels square; a `seed` fixes all of it."""

    total: int = 8000
    seed: int = 0
    size: int = 224
    name: ClassVar[str] = "sequences"
    licence: ClassVar[str] = "Apache-2.0"
    about: ClassVar[str] = "coloured things that move in turn, and what they are about to do (MuJoCo); made here"
    packages: ClassVar[tuple[Package, ...]] = ()
    folders: ClassVar[tuple[str, ...]] = ()

    def parts(self) -> int:
        """One part (shard) for each 500 clips."""
        return -(-self.total // CLIPS_A_PART)

    def samples(self, part: int, files: Mapping[str, Path]) -> Iterator[Sample]:
        """The samples of one part; needs no files. Raises ValueError where there is no such part."""
        check_part(self, part)
        for index in range(part * CLIPS_A_PART, min((part + 1) * CLIPS_A_PART, self.total)):
            story, scene = self.scene(index)
            frames = renderer(self.size).frames(scene.take, view=scene.view, shadows=scene.shadows)
            yield self.described(index, story, media=mp4_from_frames(frames))

    def scene(self, index: int) -> tuple[Story, Scene]:
        """The story of a number and the scene that bears it out; the number alone tells family and split."""
        rng = np.random.default_rng([self.seed, index, 10])
        cameras = TEST_CAMERAS if self.split(index) == "test" else TRAIN_CAMERAS
        return direct(rng, draw_view(rng, cameras), FAMILIES[index % len(FAMILIES)])

    def described(self, index: int, story: Story, *, media: bytes) -> Sample:
        """The sample of a story with its words; `media` is the encoded clip."""
        first = index // len(FAMILIES) % 2 == 0
        told = Wording(story, np.random.default_rng([self.seed, index, 11])).told(truth_first=first)
        turned = story.backwards()
        return Sample(
            key=f"sequences-{index:06d}",
            media=media,
            extension="mp4",
            captions=told.captions,
            negatives=told.negatives,
            questions=told.questions,
            label=told.label,
            backwards=Wording(turned, np.random.default_rng([self.seed, index, 12])).told(truth_first=first)
            if turned
            else None,
            source=self.name,
            licence=self.licence,
            concept=f"sequences-{index}",
            split=self.split(index),
        )

    def split(self, index: int) -> Split:
        """Of each 20 scenes in a row 3 are for test and 1 for validation."""
        return split_in_block(index, seed=self.seed)
