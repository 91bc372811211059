"""Our own physics scenes: two-second clips rendered with MuJoCo; words and answers from the true state.

Test scenes are seen by cameras (azimuth, elevation, distance) that no training scene has.
"""

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import ClassVar

import av
import numpy as np
from jaxtyping import UInt8

from vljepa.data.corpora.corpus import check_part, split_in_block
from vljepa.data.corpora.physics_cast import FAMILIES, Cast, backwards
from vljepa.data.corpora.physics_questions import questions
from vljepa.data.corpora.physics_scene import Scene
from vljepa.data.corpora.physics_stage import FRAME_RATE, LOOK_AT_HEIGHT, Renderer, Take, View, perform
from vljepa.data.corpora.physics_stories import direct
from vljepa.data.corpora.physics_words import Wording
from vljepa.data.packages import Package
from vljepa.types import Sample, Split, Told

CLIPS_A_PART = 500
Ranges = tuple[tuple[float, float], ...]
TRAIN_CAMERAS: dict[str, Ranges] = {
    "azimuth": ((0.0, 240.0),),
    "elevation": ((-40.0, -30.0), (-22.0, -12.0)),
    "distance": ((3.4, 3.9), (4.5, 5.0)),
}
TEST_CAMERAS: dict[str, Ranges] = {
    "azimuth": ((250.0, 350.0),),
    "elevation": ((-29.0, -23.0),),
    "distance": ((4.0, 4.4),),
}


@dataclass(frozen=True)
class Physics:
    """The source "physics": `total` clips of 8 frames, 4 a second, `size` pixels square; a `seed` fixes all of it."""

    total: int = 16000
    seed: int = 0
    size: int = 224
    name: ClassVar[str] = "physics"
    licence: ClassVar[str] = "Apache-2.0"
    about: ClassVar[str] = (
        "scenes of coloured things that move, simulated and rendered with MuJoCo; made here, not downloaded"
    )
    packages: ClassVar[tuple[Package, ...]] = ()
    folders: ClassVar[tuple[str, ...]] = ()

    def parts(self) -> int:
        """One part (shard) for each 500 clips."""
        return -(-self.total // CLIPS_A_PART)

    def samples(self, part: int, files: Mapping[str, Path]) -> Iterator[Sample]:
        """The samples of one part; needs no files. Raises ValueError where there is no such part."""
        check_part(self, part)
        for index in range(part * CLIPS_A_PART, min((part + 1) * CLIPS_A_PART, self.total)):
            yield self.sample(index)

    def sample(self, index: int) -> Sample:
        """The sample of one scene, rendered."""
        scene = self.scene(index)
        frames = renderer(self.size).frames(scene.take, view=scene.view, shadows=scene.shadows)
        return self.described(index, scene, media=mp4_from_frames(frames))

    def shot(self, index: int, *, num_frames: int) -> bytes:
        """The scene of a number in slow motion: an MP4 with that many frames from the first of its clip to the last."""
        scene = self.scene(index)
        take = slowed(scene.take, num_frames=num_frames)
        return mp4_from_frames(renderer(self.size).frames(take, view=scene.view, shadows=scene.shadows))

    def scene(self, index: int) -> Scene:
        """The scene of a number, which alone tells family and split and seeds all that is drawn."""
        rng = np.random.default_rng([self.seed, index])
        cameras = TEST_CAMERAS if self.split(index) == "test" else TRAIN_CAMERAS
        return direct(rng, draw_view(rng, cameras), index % len(FAMILIES))

    def described(self, index: int, scene: Scene, *, media: bytes) -> Sample:
        """The sample of a scene with its words; `media` is the encoded clip."""
        told, reverse = self._told(index, scene.cast, 1), backwards(scene.cast)
        return Sample(
            key=f"physics-{index:06d}",
            media=media,
            extension="mp4",
            captions=told.captions,
            negatives=told.negatives,
            questions=told.questions,
            label=told.label,
            backwards=self._told(index, reverse, 3) if reverse else None,
            source=self.name,
            licence=self.licence,
            concept=f"physics-{index}",
            split=self.split(index),
        )

    def _told(self, index: int, cast: Cast, draw: int) -> Told:
        rng = np.random.default_rng([self.seed, index, draw])
        wording = Wording(cast, rng)
        return Told(
            captions=wording.captions(),
            negatives=wording.negatives(),
            questions=questions(cast, rng, truth_first=index // len(FAMILIES) % 2 == 0),
            label=cast.verb,
        )

    def split(self, index: int) -> Split:
        """Of each 20 scenes in a row 3 are for test and 1 for validation."""
        return split_in_block(index, seed=self.seed)


def draw_view(
    rng: np.random.Generator,
    cameras: Mapping[str, Ranges],
    *,
    look_at: tuple[float, float, float] = (0.0, 0.0, LOOK_AT_HEIGHT),
) -> View:
    """A camera within the ranges."""
    drawn: dict[str, float] = {}
    for quantity, ranges in cameras.items():
        low, high = ranges[int(rng.integers(len(ranges)))]
        drawn[quantity] = float(rng.uniform(low, high))
    return View(**drawn, look_at=look_at)


def slowed(take: Take, *, num_frames: int) -> Take:
    """The take in more frames than were recorded, on the straight way from each recorded pose to the next."""
    recorded = np.arange(len(take.poses))
    wanted = np.linspace(0, recorded[-1], num_frames)
    poses = [np.interp(wanted, recorded, joint) for joint in take.poses.T]
    return perform(take.model, np.stack(poses, axis=-1) if poses else np.zeros((num_frames, 0)))


@lru_cache(maxsize=1)
def renderer(size: int) -> Renderer:
    """One for the process: making an OpenGL context costs as much as rendering several clips."""
    return Renderer(size)


def mp4_from_frames(frames: UInt8[np.ndarray, "time height width 3"]) -> bytes:
    """H.264 in MP4, 4 frames a second; the same bytes for the same frames (one thread)."""
    stream_bytes = io.BytesIO()
    with av.open(stream_bytes, "w", format="mp4") as container:
        rate = Fraction(FRAME_RATE)
        stream = container.add_stream("libx264", rate=rate, options={"crf": "18", "preset": "veryfast"})
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.thread_count = 1
        for pixels in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    return stream_bytes.getvalue()
