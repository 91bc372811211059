"""Long streams of held-out clips with time-stamped events, as a corpus folder of their own."""

import io
from collections.abc import Iterable, Iterator
from pathlib import Path

import av
import numpy as np
from jaxtyping import UInt8

from vljepa.data.corpora.lab_states import frames_of
from vljepa.data.encode import encode_mp4
from vljepa.data.shards import listed_whole, write_listing, write_shard
from vljepa.types import Event, Sample

FPS = 8.0
CLIPS_A_STREAM = 24
SHARD = "streams-000.tar"


def write_streams(folder: Path, samples: Iterable[Sample], *, number: int, seed: int) -> int:
    """Write `number` streams of 24 clips each, fewer where there are too few clips; how many there are."""
    if SHARD in listed_whole(folder):
        return int(listed_whole(folder)[SHARD]["count"])
    clips = {one.key: one for one in samples}
    order = [str(key) for key in np.random.default_rng([seed, 12]).permutation(sorted(clips))]
    number = min(number, len(order) // CLIPS_A_STREAM)
    chosen = [order[place * CLIPS_A_STREAM : (place + 1) * CLIPS_A_STREAM] for place in range(number)]
    streams = (_stream(place, [clips[key] for key in keys]) for place, keys in enumerate(chosen))
    entry = write_shard(folder, SHARD, samples=streams)
    write_listing(folder, [entry | {"licence": "Apache-2.0", "source": "streams"}])
    return number


def _stream(number: int, clips: list[Sample]) -> Sample:
    pieces, events, start = [], list[Event](), 0.0
    for clip in clips:
        frames, seconds = _at_rate(clip)
        events += _events(clip, start=start, seconds=seconds)
        pieces.append(frames)
        start += len(frames) / FPS
    return Sample(
        key=f"streams-{number:03d}",
        media=encode_mp4(np.concatenate(pieces), fps=FPS),
        extension="mp4",
        captions=(f"{len(clips)} scenes, one after the other",),
        source="streams",
        licence="Apache-2.0",
        concept=f"streams-{number}",
        split="test",
        events=tuple(events),
    )


def _at_rate(clip: Sample) -> tuple[UInt8[np.ndarray, "time height width 3"], float]:
    """The frames of a clip at the rate of streams, and how many seconds they last."""
    frames = frames_of(clip.media)
    rate = _rate(clip.media)
    seconds = len(frames) / rate
    places = (np.arange(round(seconds * FPS)) * rate / FPS).astype(int)
    return frames[np.minimum(places, len(frames) - 1)], seconds


def _rate(media: bytes) -> float:
    with av.open(io.BytesIO(media)) as container:
        rate = container.streams.video[0].average_rate
        assert rate is not None
        return float(rate)


def _events(clip: Sample, *, start: float, seconds: float) -> Iterator[Event]:
    """What the clip tells of its phases, or its plainest caption, at the seconds of the stream."""
    phases = clip.events or (Event(action=clip.captions[0], start=0.0, end=seconds),)
    for phase in phases:
        yield Event(action=phase.action, start=round(start + phase.start, 2), end=round(start + phase.end, 2))
