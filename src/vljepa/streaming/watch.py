"""Watch a video and speak only when the meaning changes: a source in, events out (the paper's selective decoding).

Events are plain dictionaries, ready for JSON: {"event": "segment", ...} in time order, {"event": "trigger", ...} when
it fires, {"event": "clip", ...} when one was saved, {"event": "window", ...} for each window where that is wanted,
{"event": "summary", ...} last.
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from vljepa.embedder import Embedder
from vljepa.streaming.chooser import Chooser, WholeStream, offline_points, pushed
from vljepa.streaming.cuts import Method
from vljepa.streaming.event_clips import ClipSettings, EventClips, SavedClip
from vljepa.streaming.narrator import Description, Narrator
from vljepa.streaming.online import OnlineSegmenter, OnlineSettings
from vljepa.streaming.selective import Policy, WindowTimes, change_curve
from vljepa.streaming.stream import (
    Progress,
    See,
    Stream,
    Watched,
    WindowSettings,
    embedded_windows,
    frame_rate,
    seconds_ahead,
)
from vljepa.streaming.triggers import Firing, Triggers, TriggerSettings

Event = dict[str, Any]
Decode = Literal["selective", "ward", "uniform", "every", "never"]


@dataclass(frozen=True, kw_only=True)
class WatchSettings(WindowSettings):
    """How to look (see WindowSettings), when to speak, and what to watch for (`triggers`).

    `decode`: at the middle of each segment of one meaning (`selective`; `ward`: found as in the paper), at even steps
    (`uniform`), at each window (`every`), or not at all (`never`: segments without text). `rate`: decodes a second that
    may be spent. `online`: segments are found while the stream is running, by this method; without it they are found
    when it is over. `clips`: what is seen around a trigger is saved there. `trace`: every window is told, and how far
    the meaning moved.
    """

    decode: Decode = "selective"
    rate: float = 0.2
    online: Method | None = None
    triggers: TriggerSettings = field(default_factory=TriggerSettings)
    clips: ClipSettings | None = None
    trace: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.decode not in get_args(Decode):
            raise ValueError(f"unknown way to decode {self.decode!r}: write one of {', '.join(get_args(Decode))}")
        if not 0 < self.rate < float("inf"):
            raise ValueError(f"the rate is {self.rate:g} decodes a second: give a number above 0")
        if self.online is not None:
            if self.decode not in ("selective", "never"):
                raise ValueError(f"online segments are 'selective', not {self.decode!r}: leave one of the two out")
            OnlineSettings(method=self.online, rate=self.rate)
        if self.clips is not None and not self.triggers.texts:
            raise ValueError("clips are saved around triggers, and there is none: say what to watch for")


@dataclass(frozen=True, kw_only=True)
class Described:
    """All that is said of a stream, with the number of decodes that it took and their seconds."""

    descriptions: tuple[Description, ...]
    decodes: int
    seconds_decode: float


def watch(
    source: Path | str,
    embedder: Embedder,
    *,
    settings: WatchSettings | None = None,
    progress: Progress = lambda seconds: None,
    see: See = lambda seconds, frame: None,
) -> Iterator[Event]:
    """The events of a video source: a segment for each stretch of one meaning, then the summary.

    With `online` a segment is told soon after its end, when the next one turns out to say something else; without it
    everything is embedded before the first is known, since the whole stream is looked at. Triggers fire on
    the window that they are true of; clips around them are told when they are saved. Ctrl-C ends the watching, and what
    was seen until then is told; in the last decoding it ends that, and the rest is told without captions. `progress`
    hears the second that was reached; `see` gets the frames that are looked at, on the thread that reads.
    """
    settings = settings or WatchSettings()
    triggers = Triggers(settings.triggers, encode=embedder.texts)
    chooser = _chooser(settings)
    narrator = Narrator(embedder, silent=settings.decode == "never")
    clips = _clips(settings, embedder)
    watched = Watched()
    trace = _Trace(settings.trace)

    def look(seconds: float, frame: UInt8[Tensor, "height width 3"]) -> None:
        see(seconds, frame)
        if clips is not None:
            clips.see(seconds, frame)

    looked = embedded_windows(source, embedder, settings=settings, watched=watched, progress=progress, see=look)
    with closing(looked) as found, _until_ctrl_c(watched):  # in the middle of decoding; the windows have their own
        for embeddings, times in found:
            fired = triggers.push(embeddings, times)
            yield from map(_trigger_event, fired)
            yield from map(_clip_event, _saved(clips, fired))
            yield from map(_segment_event, narrator.tell(pushed(chooser, embeddings, times)))
            yield from trace.told(embeddings, times, decodes=narrator.decodes)
    with _until_ctrl_c(watched):
        yield from map(_clip_event, clips.write(all_of_them=True) if clips else [])
    with _until_ctrl_c(watched):
        yield from map(_segment_event, narrator.tell(chooser.flush()))
    yield from map(_segment_event, narrator.finish())
    yield _summary_event(watched, narrator)


def described(stream: Stream, embedder: Embedder, *, decode: Decode, rate: float) -> Described:
    """Choose what to decode, decode it, and join neighbours that say the same; nothing for a stream without windows."""
    points = []
    if stream.times:
        points = offline_points(_policy(decode), stream.embeddings, stream.times, rate=rate)
    narrator = Narrator(embedder, silent=decode == "never")
    told = [*narrator.tell(points), *narrator.finish()]
    return Described(descriptions=tuple(told), decodes=narrator.decodes, seconds_decode=narrator.seconds_decode)


@contextmanager
def _until_ctrl_c(watched: Watched) -> Iterator[None]:
    """Ctrl-C ends what is inside and no more: what was seen until then is still worth telling."""
    try:
        yield
    except KeyboardInterrupt:
        watched.interrupted = True


def _clips(settings: WatchSettings, embedder: Embedder) -> EventClips | None:
    if settings.clips is None:
        return None
    # Twice: once until a window is there, and once until the next one shows that its clip is complete.
    ahead = 2 * seconds_ahead(embedder, settings)
    return EventClips(settings.clips, rate=frame_rate(embedder, settings), ahead=ahead)


def _saved(clips: EventClips | None, fired: list[Firing]) -> list[SavedClip]:
    """Ask for the clips of what fired, and write those that are complete by now."""
    if clips is None:
        return []
    for firing in fired:
        clips.want(firing)
    return clips.write()


def _chooser(settings: WatchSettings) -> Chooser:
    if settings.online is not None:
        return OnlineSegmenter(OnlineSettings(method=settings.online, rate=settings.rate))
    return WholeStream(_policy(settings.decode), rate=settings.rate)


def _policy(decode: Decode) -> Policy:
    """Segments without text are those that would have been decoded."""
    return "selective" if decode == "never" else decode


class _Trace:
    """Tells each window, where that is wanted."""

    def __init__(self, wanted: bool) -> None:
        self._wanted = wanted
        self._windows = 0
        self._last: Float[Tensor, "one dim"] | None = None

    def told(self, embeddings: Float[Tensor, "batch dim"], times: WindowTimes, *, decodes: int) -> Iterator[Event]:
        """Events of the next windows, `decodes` after them."""
        if not self._wanted:
            return
        before = embeddings[:1] if self._last is None else self._last
        moved = change_curve(torch.cat([before, embeddings]))[1:].tolist()
        self._last = embeddings[-1:]
        for change, (start, end) in zip(moved, times, strict=True):
            self._windows += 1
            yield {
                "event": "window",
                "start": round(start, 3),
                "end": round(end, 3),
                "change": round(change, 4),
                "windows": self._windows,
                "decodes": decodes,
            }


def _segment_event(description: Description) -> Event:
    return {
        "event": "segment",
        "start": round(description.start, 3),
        "end": round(description.end, 3),
        "time": round(description.time, 3),
        "caption": description.caption,
        "fidelity": None if description.fidelity is None else round(description.fidelity, 4),
        "unsure": description.unsure,
    }


def _trigger_event(firing: Firing) -> Event:
    return {
        "event": "trigger",
        "text": firing.text,
        "start": round(firing.start, 3),
        "end": round(firing.end, 3),
        "score": round(firing.score, 2),
    }


def _clip_event(clip: SavedClip) -> Event:
    return {
        "event": "clip",
        "text": clip.text,
        "path": str(clip.path),
        "start": round(clip.start, 3),
        "end": round(clip.end, 3),
    }


def _summary_event(watched: Watched, narrator: Narrator) -> Event:
    hours = watched.seconds_media / 3600
    return {
        "event": "summary",
        "windows": watched.windows,
        "decodes": narrator.decodes,
        "seconds_media": round(watched.seconds_media, 3),
        "seconds_read": round(watched.seconds_read, 3),
        "seconds_embed": round(watched.seconds_embed, 3),
        "seconds_decode": round(narrator.seconds_decode, 3),
        "decodes_per_hour": round(narrator.decodes / hours, 1) if hours else float(narrator.decodes),
        "skipped_packets": watched.skipped,
        "dropped_frames": watched.dropped,
        "interrupted": watched.interrupted,
    }
