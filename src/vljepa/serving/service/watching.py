"""One medium in a player: its timeline, looked at once, and what is said of its segments."""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from vljepa.embedder import Embedder
from vljepa.library import Timeline
from vljepa.serving.service.archive import Archive
from vljepa.serving.service.jobs import Jobs, Tell
from vljepa.serving.service.limits import Limits
from vljepa.serving.service.media import Given, Media
from vljepa.serving.service.shared import request
from vljepa.serving.service.timeline import check_spans, drawn, look, means
from vljepa.streaming.stream import WindowSettings
from vljepa.tasks.caption import Caption, caption, put_into_words

KEPT_TIMELINES = 64
MOST_SPANS = 64


class Playing:
    """Timelines of media that are played, the latest ones kept, with the captions of their segments."""

    def __init__(self, embedder: Embedder, media: Media, archive: Archive, limits: Limits) -> None:
        self._embedder, self._media, self._archive, self._limits = embedder, media, archive, limits
        self._jobs = Jobs("timelines")
        self._lock = threading.Lock()
        self._timelines: OrderedDict[str, Timeline] = OrderedDict()
        self._captions: OrderedDict[tuple[str, int, int], Caption] = OrderedDict()

    def close(self) -> None:
        """Stop looking."""
        self._jobs.close()

    def timeline(self, key: str) -> dict[str, Any]:
        """The timeline of a video, ready for JSON; while it is being made, its job's facts."""
        timeline = self._known(key)
        if timeline is not None:
            return drawn(timeline)
        return self._jobs.start(lambda tell: self._look(key, tell), key=key).facts()

    def captions(self, key: str, spans: Sequence[tuple[int, int]]) -> list[Caption]:
        """What is said of some spans of windows (first and past-the-last): of the mean of their embeddings.

        Where the library does not keep these, of frames spread over the span.
        """
        timeline = self._known(key)
        if timeline is None:
            raise ValueError("the video was not looked at yet: ask for its timeline first")
        if len(spans) > MOST_SPANS:
            raise ValueError(f"{len(spans)} spans are asked for: ask for {MOST_SPANS} at a time")
        check_spans(spans, timeline)
        new = [span for span in dict.fromkeys(spans) if (key, *span) not in self._captions]
        if new:
            said = self._said(key, timeline, new)
            with self._lock:
                self._captions.update({(key, *span): told for span, told in zip(new, said, strict=True)})
        return [self._captions[key, *span] for span in spans]

    def _known(self, key: str) -> Timeline | None:
        with self._lock:
            if key in self._timelines:
                self._timelines.move_to_end(key)
                return self._timelines[key]
        if key.startswith("upload-"):
            return None
        timeline = self._archive.timeline(key)
        if timeline is not None:
            self._keep(key, timeline)
        return timeline

    def _keep(self, key: str, timeline: Timeline) -> None:
        with self._lock:
            self._timelines[key] = timeline
            while len(self._timelines) > KEPT_TIMELINES:
                self._timelines.popitem(last=False)
            while len(self._captions) > KEPT_TIMELINES * MOST_SPANS:
                self._captions.popitem(last=False)

    def _look(self, key: str, tell: Tell) -> dict[str, Any]:
        path = self._media.locate("media", key)
        self._media.check(path)
        timeline = look(
            path,
            self._embedder,
            settings=WindowSettings(),
            progress=lambda seconds: tell({"seconds": round(seconds, 2)}),
        )
        self._keep(key, timeline)
        return {}

    def _said(self, key: str, timeline: Timeline, spans: Sequence[tuple[int, int]]) -> list[Caption]:
        embedder = self._embedder
        with request(self._limits.seconds) as deadline:
            embeddings = means(timeline, spans)
            if embeddings is not None:
                return put_into_words(embedder, embeddings)
            edges = drawn(timeline)["edges"]
            clips = [
                self._media.clip(
                    Given(origin="media", what=key, start=edges[first], end=edges[last]),
                    num_frames=embedder.num_frames,
                    side=embedder.side,
                    sampling=embedder.sampling,
                    deadline=deadline,
                )
                for first, last in spans
            ]
            return caption(embedder, clips)
