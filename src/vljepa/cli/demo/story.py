"""Runs the model over the demo's media and keeps what the page tells: numbers, sentences and small pictures."""

import base64
import io
import time
from dataclasses import dataclass
from itertools import islice

from jaxtyping import UInt8
from PIL import Image
from torch import Tensor

from vljepa.cli.demo.media import LABELS, Footage, Photo
from vljepa.data.media import read_clip
from vljepa.data.video import Video
from vljepa.embedder import Embedder
from vljepa.streaming.chooser import offline_points
from vljepa.streaming.narrator import Description
from vljepa.streaming.selective import Policy, change_curve, coverage, decode_points
from vljepa.streaming.stream import Stream, embedded_stream
from vljepa.streaming.watch import WatchSettings, described
from vljepa.tasks.answer import Answer, answer
from vljepa.tasks.candidates import Ranking
from vljepa.tasks.caption import Caption, caption
from vljepa.tasks.classify import classify
from vljepa.types import Event

THUMBNAIL, STRIP = 216, 12
SHOWN_LABELS = 4
POLICIES: tuple[Policy, ...] = ("selective", "uniform", "every")


@dataclass(frozen=True, kw_only=True)
class Cost:
    """A way to decode: how often, how long, and how well it stands for the stream (mean cosine, one: nothing lost)."""

    name: str
    decodes: int
    seconds: float
    coverage: float


@dataclass(frozen=True, kw_only=True)
class StreamStory:
    """A watched video. `enough_even`: even steps that are needed to stand for it as well as the selective decodes."""

    name: str
    title: str
    credit: str
    truth: tuple[Event, ...]
    start: float
    end: float
    seconds_spent: float
    windows: int
    curve: tuple[tuple[float, float], ...]
    told: tuple[Description, ...]
    pictures: tuple[str, ...]
    strip: tuple[str, ...]
    costs: tuple[Cost, ...]
    enough_even: int


@dataclass(frozen=True, kw_only=True)
class PhotoStory:
    """A picture that was named, asked about and captioned."""

    photo: Photo
    picture: str
    ranking: Ranking
    answer: Answer
    caption: Caption
    milliseconds: float


def stream_story(footage: Footage, embedder: Embedder, *, settings: WatchSettings) -> StreamStory:
    """Watch once, then decode selectively, evenly with as many decodes, and every window."""
    stream = embedded_stream(footage.path, embedder, settings=settings)
    costs, told = _costs(stream, embedder, rate=settings.rate)
    start, end = stream.times[0][0], stream.times[-1][1]
    middles = [(first + last) / 2 for first, last in stream.times]
    strip = [start + (place + 0.5) * (end - start) / STRIP for place in range(STRIP)]
    return StreamStory(
        name=footage.name,
        title=footage.title,
        credit=footage.credit,
        truth=footage.truth,
        start=start,
        end=end,
        seconds_spent=stream.seconds_read + stream.seconds_embed + costs[0].seconds,
        windows=len(stream.times),
        curve=tuple(zip(middles, change_curve(stream.embeddings, smooth=3).tolist(), strict=True)),
        told=told,
        pictures=_stills(footage, [description.time for description in told]),
        strip=_stills(footage, strip),
        costs=costs,
        enough_even=_enough_even(stream, wanted=costs[0].coverage, at_least=costs[0].decodes),
    )


def _costs(stream: Stream, embedder: Embedder, *, rate: float) -> tuple[tuple[Cost, ...], tuple[Description, ...]]:
    """The three ways to decode, and what the first of them, the selective one, tells."""
    costs = []
    tellings = []
    for policy in POLICIES:
        said = described(stream, embedder, decode=policy, rate=rate)
        points = offline_points(policy, stream.embeddings, stream.times, rate=rate)
        covered = coverage(stream.embeddings, points)
        costs.append(Cost(name=policy, decodes=said.decodes, seconds=said.seconds_decode, coverage=covered))
        tellings.append(said.descriptions)
    return tuple(costs), tellings[0]


def _enough_even(stream: Stream, *, wanted: float, at_least: int) -> int:
    """The smallest number of even steps that covers the stream as well; every window covers it wholly."""
    for number in range(at_least, len(stream.times)):
        points = decode_points("uniform", stream.embeddings, times=stream.times, num_segments=number)
        if coverage(stream.embeddings, points) >= wanted:
            return number
    return len(stream.times)


def photo_stories(photos: tuple[Photo, ...], embedder: Embedder) -> list[PhotoStory]:
    """Name, ask, caption; the labels are encoded once, before the clock runs."""
    embedder.texts(LABELS)
    stories = []
    for photo in photos:
        begin = time.perf_counter()
        clip = embedder.clip(photo.path)
        ranking = classify(embedder, [clip], labels=LABELS)[0]
        milliseconds = 1000 * (time.perf_counter() - begin)
        stories.append(
            PhotoStory(
                photo=photo,
                picture=_jpeg(read_clip(photo.path, num_frames=1, size=360).frames[0]),
                ranking=ranking,
                answer=answer(embedder, [clip], question=photo.question, candidates=photo.candidates)[0],
                caption=caption(embedder, [clip])[0],
                milliseconds=milliseconds,
            )
        )
    return stories


def best_scores(ranking: Ranking) -> list[tuple[str, float]]:
    """The labels that the page shows, and "none of these"."""
    best = [(score.label, score.probability) for score in islice(ranking.scores, SHOWN_LABELS)]
    return [*best, ("none of these", ranking.none_of_these)]


def _stills(footage: Footage, seconds: list[float]) -> tuple[str, ...]:
    if not seconds:
        return ()
    with Video(footage.path, size=THUMBNAIL) as video:
        return tuple(_jpeg(frame) for frame in video.frames_at(seconds).frames)


def _jpeg(frame: UInt8[Tensor, "height width 3"]) -> str:
    """A picture as an address that holds the picture itself."""
    buffer = io.BytesIO()
    Image.fromarray(frame.numpy()).save(buffer, format="JPEG", quality=78, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
