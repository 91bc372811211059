"""What there is to watch: streams made of a corpus's held-out clips, joined camera recordings, EgoExo4D's takes."""

from pathlib import Path

from vljepa.data.errors import MediaError
from vljepa.data.media import read_clip
from vljepa.data.shards import read_corpus, read_listing, source_of
from vljepa.data.video import iterate
from vljepa.embedder import Embedder
from vljepa.evaluation.benchmarks.selective.ego_exo import Take
from vljepa.evaluation.benchmarks.selective.footage import AnnotatedStream, Report, Squares, streams_from_scripts
from vljepa.evaluation.benchmarks.selective.scripts import (
    WINDOW,
    Annotation,
    Play,
    Recording,
    join_recordings,
    write_script,
)
from vljepa.streaming.stream import WindowSettings, embedded_stream
from vljepa.types import Clip, Sample, Split

CLIP_SOURCES = {"physics": False, "fluent-clips": True}  # whether a clip may be looped: animated emoji are made for it
MOST_CLIPS = {"physics": 320, "fluent-clips": 160}
CAMERA_STREAMS = 10


def corpus_streams(
    embedder: Embedder, root: Path, *, num_streams: int, split: Split = "test", keep: Path, report: Report
) -> list[AnnotatedStream]:
    """Streams of 3 to 6 minutes with 60 events or more, from clips of one split that training has not seen.

    Empty where the corpus holds too few of them for one stream.
    """
    plays: list[Play] = []
    squares: dict[str, Squares] = {}
    for source in _held(root, CLIP_SOURCES):
        for place, sample in enumerate(read_corpus(root, split=split, sources=[source])):
            if place == MOST_CLIPS[source]:
                break
            squares[sample.key] = embedder.squares(read_clip(sample.media, num_frames=embedder.num_frames))
            plays.append(
                Play(
                    key=sample.key,
                    captions=sample.captions,
                    num_frames=len(squares[sample.key]),
                    loops=CLIP_SOURCES[source],
                )
            )
    if not plays:
        return []
    report(f"{split} clips: {len(plays)}")
    rate = embedder.num_frames / WINDOW
    scripts = [write_script(plays, rate=rate, seed=seed) for seed in range(num_streams)]
    return streams_from_scripts(scripts, squares, embedder, name=f"clips-{split}", keep=keep, report=report)


def camera_streams(embedder: Embedder, root: Path, *, keep: Path, report: Report) -> list[AnnotatedStream]:
    """Real recordings with timed events, all of them in each stream, in another order each time.

    Empty where the corpus holds none.
    """
    rate = embedder.num_frames / WINDOW
    recordings: list[Recording] = []
    squares: dict[str, Squares] = {}
    for source in _held(root, ("camera",)):
        for sample in read_corpus(root, split="test", sources=[source]):
            if sample.events:
                squares[sample.key] = _all_squares(sample, embedder, rate=rate)
                recordings.append(_recording(sample, num_frames=len(squares[sample.key])))
    if not recordings:
        return []
    scripts = [join_recordings(recordings, rate=rate, seed=seed) for seed in range(CAMERA_STREAMS)]
    return streams_from_scripts(scripts, squares, embedder, name="camera", keep=keep, report=report)


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


def _held(root: Path, wanted: "dict[str, bool] | tuple[str, ...]") -> list[str]:
    there = {source_of(entry) for entry in read_listing(root)}
    return [source for source in wanted if source in there]


def _all_squares(sample: Sample, embedder: Embedder, *, rate: float) -> Squares:
    import torch

    shots = [pixels for _, pixels in iterate(sample.media, rate=rate, size=embedder.side)]
    return embedder.squares(Clip(frames=torch.stack(shots), times=torch.arange(len(shots)) / rate))


def _recording(sample: Sample, *, num_frames: int) -> Recording:
    events = tuple(
        (event.start, event.end, (f"a person is {event.action}", f"a person: {event.action}"))
        for event in sample.events
    )
    return Recording(key=sample.key, num_frames=num_frames, events=events)
