"""Where events go: files that grow with them (JSON lines, SubRip, WebVTT), and their form as server-sent events."""

from abc import ABC, abstractmethod
from contextlib import suppress
from pathlib import Path
from typing import Protocol, TextIO

from vljepa.json_line import json_line
from vljepa.streaming.watch import Event

# A subtitle that is gone at once cannot be read: the one of a stream of a single frame stays this long.
SHORTEST_SUBTITLE = 0.5


class Sink(Protocol):
    """Takes the events of one stream in their order; `close` ends it, whatever happened before."""

    def put(self, event: Event) -> None:
        """Take one event. ValueError, with what to do, where it cannot be kept."""

    def close(self) -> None:
        """No event will follow."""


class _EventFile(ABC):
    """A UTF-8 file that is begun anew with the first event and holds all that came, at any moment."""

    head = ""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: TextIO | None = None

    def put(self, event: Event) -> None:
        """Write what the event is in this format; ValueError where that fails, for example on a full disk."""
        try:
            if self._file is None:
                self._file = self._path.open("w", encoding="utf-8", newline="\n")
                self._file.write(self.head)
            self._file.write(self.text(event))
            self._file.flush()
        except OSError as error:
            raise ValueError(
                f"{self._path} could not be written ({error.strerror}): free space or name another file"
            ) from error

    def close(self) -> None:
        """Close the file; what `put` could not write has been told there."""
        if self._file is not None:
            with suppress(OSError):
                self._file.close()

    @abstractmethod
    def text(self, event: Event) -> str:
        """The event in this format; empty where it has no place in it."""


class JsonLines(_EventFile):
    """Every event as a JSON object on a line of its own."""

    def text(self, event: Event) -> str:
        """The event with a line's end."""
        return f"{json_line(event)}\n"


class SubRip(_EventFile):
    """The captions as .srt; other events leave no trace."""

    _number = 0

    def text(self, event: Event) -> str:
        """The numbered cue of a segment that has a caption."""
        if not _is_told(event):
            return ""
        self._number += 1
        return f"{self._number}\n{_span(event, decimal=',')}\n{_words(event)}\n\n"


class WebVtt(_EventFile):
    """The captions as .vtt for web players; other events leave no trace."""

    head = "WEBVTT\n\n"

    def text(self, event: Event) -> str:
        """The cue of a segment that has a caption, with the three characters escaped that WebVTT reserves."""
        if not _is_told(event):
            return ""
        caption = _words(event).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        return f"{_span(event, decimal='.')}\n{caption}\n\n"


def server_sent(event: Event) -> str:
    """An event as a server-sent event: its kind as the type that browsers listen for, all of it as JSON data."""
    return f"event: {event['event']}\ndata: {json_line(event)}\n\n"


def _is_told(event: Event) -> bool:
    return event["event"] == "segment" and bool((event["caption"] or "").strip())


def _words(event: Event) -> str:
    """The caption on one line, since an empty one would end the cue; marked where it is unsure."""
    return " ".join([*(["(unsure)"] if event["unsure"] else []), *event["caption"].split()])


def _span(event: Event, *, decimal: str) -> str:
    end = max(event["end"], event["start"] + SHORTEST_SUBTITLE)
    return f"{_stamp(event['start'], decimal)} --> {_stamp(end, decimal)}"


def _stamp(seconds: float, decimal: str) -> str:
    """Seconds as subtitles write them: hours:minutes:seconds,milliseconds."""
    whole = round(seconds * 1000)
    minutes, milliseconds = divmod(whole, 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{milliseconds // 1000:02d}{decimal}{milliseconds % 1000:03d}"
