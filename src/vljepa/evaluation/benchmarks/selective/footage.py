"""Scripts into streams: each frame that occurs is encoded once (and kept in a file), each window predicted once."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Shaped, UInt8
from numpy import ndarray
from torch import Tensor

from vljepa.embedder import FRAMES_AT_ONCE, Embedder
from vljepa.evaluation.benchmarks.selective.scripts import HOP, WINDOW, Annotation, Frame, Script
from vljepa.features import encoder_fingerprint

WINDOWS_AT_ONCE = 64
Squares = UInt8[Tensor, "time 3 side side"]
Report = Callable[[str], None]
# Frames of a stream are encoded clip by clip, but a dissolve looks into another one.
_CLIPS_IN_MEMORY = 24


class Reels:
    """Frames of clips by key, read when they are asked for; `mark` is what tells a clip from all others."""

    def __init__(self) -> None:
        self._marks: dict[str, bytes] = {}
        self._readers: dict[str, Callable[[], Squares]] = {}
        self._read = lru_cache(maxsize=_CLIPS_IN_MEMORY)(lambda key: self._readers[key]())

    def add(self, key: str, mark: bytes, read: Callable[[], Squares]) -> None:
        """One more clip."""
        self._marks[key], self._readers[key] = hashlib.sha256(mark).digest(), read

    def mark(self, key: str) -> bytes:
        """The hash of a clip."""
        return self._marks[key]

    def squares(self, key: str) -> Squares:
        """All frames of a clip, as the X-Encoder reads them."""
        return self._read(key)


@dataclass(frozen=True, kw_only=True, eq=False)
class AnnotatedStream:
    """Embeddings of a stream's windows with their start and end in seconds, and what is true of it when."""

    name: str
    embeddings: Float[Tensor, "window dim"]
    times: list[tuple[float, float]]
    annotations: tuple[Annotation, ...]
    boundaries: tuple[float, ...]

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.times[-1][1] - self.times[0][0]


def streams_from_scripts(
    scripts: Sequence[Script],
    reels: Reels,
    embedder: Embedder,
    *,
    name: str,
    keep: Path,
    report: Report,
) -> list[AnnotatedStream]:
    """The streams that scripts describe, of clips whose frames are given; `keep` is a folder for frame features."""
    frames = sorted({frame for script in scripts for frame in script.frames})
    rows = frame_features(frames, reels, embedder, keep=keep, name=name, report=report)
    places = {frame: place for place, frame in enumerate(frames)}
    windows = [_windows(script, embedder.num_frames) for script in scripts]
    distinct = sorted({tuple(places[frame] for frame in window) for some in windows for _, window in some})
    report(f"{name}: {len(distinct)} different windows in {len(scripts)} streams")
    predicted = _predicted(distinct, rows, embedder, report=report)
    known = {window: place for place, window in enumerate(distinct)}
    return [
        AnnotatedStream(
            name=f"{name} {number}",
            embeddings=predicted[[known[tuple(places[frame] for frame in window)] for _, window in some]],
            times=[(start, start + WINDOW) for start, _ in some],
            annotations=script.annotations,
            boundaries=script.boundaries,
        )
        for number, (script, some) in enumerate(zip(scripts, windows, strict=True))
    ]


def _windows(script: Script, num_frames: int) -> list[tuple[float, tuple[Frame, ...]]]:
    """Starts and frames of the windows, each as long as a clip in training."""
    hop = max(1, round(HOP * script.rate))
    starts = range(0, len(script.frames) - num_frames + 1, hop)
    return [(start / script.rate, script.frames[start : start + num_frames]) for start in starts]


def _predicted(
    windows: Sequence[tuple[int, ...]], rows: Shaped[ndarray, "frame kept"], embedder: Embedder, *, report: Report
) -> Float[Tensor, "window dim"]:
    parts = []
    for first in range(0, len(windows), WINDOWS_AT_ONCE):
        some = np.array(windows[first : first + WINDOWS_AT_ONCE])
        features = torch.from_numpy(rows[some].astype(np.float32)).to(embedder.device)
        parts.append(embedder.predict(embedder.tokens_from_features(features)).float().cpu())
        if first % (64 * WINDOWS_AT_ONCE) == 0:
            report(f"predicted {first} of {len(windows)} windows")
    return torch.cat(parts)


def frame_features(
    frames: Sequence[Frame],
    reels: Reels,
    embedder: Embedder,
    *,
    keep: Path,
    name: str,
    report: Report,
) -> Shaped[ndarray, "frame kept"]:
    """What the X-Encoder keeps of each frame, in float16, from the folder `keep` where it was computed before.

    The file's name changes with the encoder, the preprocessing, the frames and the clips that they are of.
    """
    bundle = embedder.bundle
    mark = encoder_fingerprint(bundle.model.x_encoder, bundle.processor, bundle.frames)
    digest = hashlib.sha256(f"{mark} {json.dumps(frames)}".encode())
    for key in sorted({clip for frame in frames for clip in (frame.clip, frame.over) if clip}):
        digest.update(reels.mark(key))
    path = keep / f"{name}-{digest.hexdigest()[:12]}.npy"
    if path.is_file():
        return np.load(path, mmap_mode="r")
    keep.mkdir(parents=True, exist_ok=True)
    parts = []
    for first in range(0, len(frames), FRAMES_AT_ONCE):
        pixels = torch.stack([picture(frame, reels) for frame in frames[first : first + FRAMES_AT_ONCE]])
        parts.append(embedder.frame_features(pixels).to(torch.float16).cpu().numpy())
        if first % (16 * FRAMES_AT_ONCE) == 0:
            report(f"{name}: encoded {first} of {len(frames)} frames")
    rows = np.concatenate(parts)
    aside = path.with_suffix(".tmp.npy")
    np.save(aside, rows)
    aside.replace(path)
    return rows


def picture(frame: Frame, reels: Reels) -> UInt8[Tensor, "3 side side"]:
    """The pixels of a frame; in a dissolve the mean of two pictures by their shares."""
    one = reels.squares(frame.clip)[frame.number]
    if not frame.over:
        return one
    other = reels.squares(frame.over)[frame.over_number]
    return ((1 - frame.share) * one.float() + frame.share * other.float()).round().to(torch.uint8)
