"""What there is to watch: streams made of a corpus's held-out clips, joined camera recordings, EgoExo4D's takes."""

from collections.abc import Callable, Iterable
from functools import cache, partial
from itertools import islice
from pathlib import Path

import torch

from vljepa.data.errors import MediaError
from vljepa.data.media import read_clip
from vljepa.data.shards import read_corpus, read_listing, source_of
from vljepa.data.video import iterate
from vljepa.embedder import Embedder
from vljepa.evaluation.benchmarks.selective.footage import (
    AnnotatedStream,
    Reels,
    Report,
    Squares,
    streams_from_scripts,
)
from vljepa.evaluation.benchmarks.selective.scripts import (
    WINDOW,
    Annotation,
    Play,
    Recording,
    join_recordings,
    write_script,
)
from vljepa.evaluation.sets.ego_exo import Take
from vljepa.streaming.stream import WindowSettings, embedded_stream
from vljepa.types import Clip, Sample, Split

# How many clips of each source take part at most.
MOST_CLIPS = {"physics": 320, "fluent-clips": 160}
# A scene of physics is shown as slowly as it lasts: so many frames of it are rendered, where its clip has eight.
SLOW_FRAMES = 57
CAMERA_STREAMS = 10


def corpus_streams(
    embedder: Embedder, root: Path, *, num_streams: int, split: Split = "test", keep: Path, report: Report
) -> list[AnnotatedStream]:
    """Streams of 3 to 6 minutes with 60 events or more, from clips of one split that training has not seen.

    Empty where the corpus holds too few of them for one stream.
    """
    plays: list[Play] = []
    reels = Reels()
    for source in _held(root, MOST_CLIPS):
        for sample in islice(read_corpus(root, split=split, sources=[source]), MOST_CLIPS[source]):
            loops = source != "physics"
            num_frames = embedder.num_frames if loops else SLOW_FRAMES
            media = partial(_same, sample.media) if loops else cache(partial(_slow_motion, sample))
            reels.add(sample.key, sample.media, partial(_squares, embedder, media, num_frames=num_frames))
            plays.append(Play(key=sample.key, captions=sample.captions, num_frames=num_frames, loops=loops))
    if not plays:
        return []
    report(f"{split} clips: {len(plays)}")
    rate = embedder.num_frames / WINDOW
    scripts = [write_script(plays, rate=rate, seed=seed) for seed in range(num_streams)]
    return streams_from_scripts(scripts, reels, embedder, name=f"clips-{split}", keep=keep, report=report)


def camera_streams(embedder: Embedder, root: Path, *, keep: Path, report: Report) -> list[AnnotatedStream]:
    """Real recordings with timed events, all of them in each stream, in another order each time.

    Empty where the corpus holds none.
    """
    rate = embedder.num_frames / WINDOW
    recordings: list[Recording] = []
    reels = Reels()
    for source in _held(root, ("camera",)):
        for sample in read_corpus(root, split="test", sources=[source]):
            if sample.events:
                reels.add(sample.key, sample.media, partial(_all_squares, sample, embedder, rate=rate))
                recordings.append(_recording(sample, num_frames=len(reels.squares(sample.key))))
    if not recordings:
        return []
    scripts = [join_recordings(recordings, rate=rate, seed=seed) for seed in range(CAMERA_STREAMS)]
    return streams_from_scripts(scripts, reels, embedder, name="camera", keep=keep, report=report)


def take_streams(embedder: Embedder, takes: list[Take], *, report: Report) -> tuple[list[AnnotatedStream], int]:
    """The takes' videos as `watch` sees them; how many could not be read is the second value."""
    streams, missing = [], 0
    for number, take in enumerate(takes):
        report(f"take {number + 1} of {len(takes)}: {take.name}")
        try:
            stream = embedded_stream(take.video, embedder, settings=WindowSettings())
        except MediaError as error:
            report(f"left out: {error}")
            missing += 1
            continue
        annotations = tuple(Annotation(time=one.time, captions=(one.text,)) for one in take.descriptions)
        streams.append(
            AnnotatedStream(
                name=take.name,
                embeddings=stream.embeddings.float(),
                times=list(stream.times),
                annotations=annotations,
                boundaries=(),
            )
        )
    return streams, missing


def _held(root: Path, wanted: Iterable[str]) -> list[str]:
    there = {source_of(entry) for entry in read_listing(root)}
    return [source for source in wanted if source in there]


def _squares(embedder: Embedder, media: Callable[[], bytes], *, num_frames: int) -> Squares:
    return embedder.squares(read_clip(media(), num_frames=num_frames))


def _same(media: bytes) -> bytes:
    return media


def _slow_motion(sample: Sample) -> bytes:
    """The scene of a sample of physics, rendered anew with more frames; ValueError where it cannot be."""
    try:
        from vljepa.data.corpora.physics import Physics
    except ImportError as error:
        raise ValueError("physical scenes are rendered for streams, with MuJoCo: install vljepa[corpus]") from error
    index = int(sample.key.rpartition("-")[2])
    if Physics().described(index, Physics().scene(index), media=b"").captions != sample.captions:
        raise ValueError(f"{sample.key} is not the scene that this version makes: prepare the corpus anew")
    return Physics().shot(index, num_frames=SLOW_FRAMES)


def _all_squares(sample: Sample, embedder: Embedder, *, rate: float) -> Squares:
    shots = [pixels for _, pixels in iterate(sample.media, rate=rate, size=embedder.side)]
    return embedder.squares(Clip(frames=torch.stack(shots), times=torch.arange(len(shots)) / rate))


def _recording(sample: Sample, *, num_frames: int) -> Recording:
    events = tuple(
        (event.start, event.end, (f"a person is {event.action}", f"a person: {event.action}"))
        for event in sample.events
    )
    return Recording(key=sample.key, num_frames=num_frames, events=events)
