"""Streams that the service watches while it runs: each on a thread of its own, its events for any number of readers."""

import io
import logging
import secrets
import threading
import time
import weakref
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from jaxtyping import UInt8
from PIL import Image
from torch import Tensor

from vljepa.data.errors import name_of
from vljepa.embedder import Embedder
from vljepa.serving.service.limits import Limits
from vljepa.serving.service.refusals import Busy, NotFound
from vljepa.serving.service.shared import in_background
from vljepa.streaming.audience import Audience
from vljepa.streaming.watch import Event, WatchSettings, watch

State = Literal["running", "ended", "failed"]
# Streams that are over stay to be read for this long, and no more of them than this.
KEPT_SECONDS, KEPT_STREAMS = 600.0, 32
KEPT_EVENTS = 1000

logger = logging.getLogger(__name__)


class LiveStream:
    """One watched source. `told` are the latest events beside those of single windows."""

    def __init__(self, source: Path | str, *, name: str, embedder: Embedder, settings: WatchSettings) -> None:
        self.id = secrets.token_hex(8)
        self.name, self.settings = name, settings
        self.audience = Audience()
        self.state: State = "running"
        self.error: str | None = None
        self.ended_at = 0.0
        self.windows = self.decodes = 0
        self.told: deque[Event] = deque(maxlen=KEPT_EVENTS)
        self.seconds = 0.0
        self._stopped = threading.Event()
        self._frame: UInt8[Tensor, "height width 3"] | None = None
        self._thread = threading.Thread(target=self._run, args=(source, embedder), name=f"stream {name}", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Tell what was seen until now and end; returns at once."""
        self._stopped.set()

    def join(self, seconds: float) -> None:
        """Wait until it has ended, or so long."""
        self._thread.join(seconds)

    def facts(self) -> dict[str, Any]:
        """What is known of it, ready for JSON."""
        return {
            "id": self.id,
            "source": self.name,
            "state": self.state,
            "error": self.error,
            "seconds": round(self.seconds, 3),
            "windows": self.windows,
            "decodes": self.decodes,
        }

    def picture(self) -> bytes:
        """The frame that was looked at last, as JPEG. NotFound before the first."""
        if self._frame is None:
            raise NotFound("the stream has shown no picture yet: ask again in a moment")
        content = io.BytesIO()
        Image.fromarray(self._frame.numpy()).save(content, format="JPEG", quality=80)
        return content.getvalue()

    def _run(self, source: Path | str, embedder: Embedder) -> None:
        try:
            with in_background():
                for event in watch(source, embedder, settings=self.settings, progress=self._reached, see=self._see):
                    self._note(event)
            self.state = "ended"
        except ValueError as error:  # the source cannot be read, or the service is stopping
            self._fail(str(error))
        except Exception as error:  # a mistake of ours ends this stream alone
            logger.exception("the stream %s failed", self.name)
            self._fail(f"a mistake of ours, {type(error).__name__}: please report it")
        finally:
            self.ended_at = time.monotonic()
            self.audience.put({"event": "state", "state": self.state, "error": self.error})
            self.audience.close()

    def _note(self, event: Event) -> None:
        if event["event"] in ("window", "summary"):
            self.windows, self.decodes = event["windows"], event["decodes"]
        if event["event"] != "window":
            self.told.append(event)
        self.audience.put(event)

    def _fail(self, sentence: str) -> None:
        self.state, self.error = "failed", sentence

    def _reached(self, seconds: float) -> None:
        self.seconds = seconds
        if self._stopped.is_set():
            raise KeyboardInterrupt  # as Ctrl-C does in the terminal: the watching ends and tells what it has

    def _see(self, seconds: float, frame: UInt8[Tensor, "height width 3"]) -> None:
        self._frame = frame


class Reading:
    """What one reader is told; its place is free again when nobody holds this any more, read to its end or not."""

    def __init__(self, told: Iterator[str], places: threading.BoundedSemaphore) -> None:
        self._told = told
        weakref.finalize(self, places.release)

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        return next(self._told)


class Streams:
    """All streams of a service; `named` are the sources that its owner allows by name, cameras and addresses."""

    def __init__(self, embedder: Embedder, limits: Limits, *, named: dict[str, str]) -> None:
        self.named = named
        self._embedder, self._limits = embedder, limits
        self._lock = threading.Lock()
        self._streams: dict[str, LiveStream] = {}
        self._readers = threading.BoundedSemaphore(limits.readers)

    def open(self, source: Path | str, *, name: str, settings: WatchSettings) -> LiveStream:
        """Watch another source. Busy where as many run as may."""
        stream = LiveStream(source, name=name_of(name), embedder=self._embedder, settings=settings)
        with self._lock:
            self._forget()
            running = [other for other in self._streams.values() if other.state == "running"]
            if len(running) >= self._limits.streams:
                raise Busy(f"{len(running)} streams are open, as many as may be: delete one first", after=10, own=True)
            self._streams[stream.id] = stream
        stream.start()
        return stream

    def get(self, key: str) -> LiveStream:
        """NotFound where there is none of that id."""
        stream = self._streams.get(key)
        if stream is None:
            raise NotFound(f"there is no stream {key!r}: list the streams, or create one")
        return stream

    def all(self) -> list[LiveStream]:
        """Those that run and those that ended lately, oldest first."""
        with self._lock:
            self._forget()
            return list(self._streams.values())

    def delete(self, key: str) -> None:
        """Stop a stream and forget it."""
        stream = self.get(key)
        stream.stop()
        with self._lock:
            self._streams.pop(key, None)

    def read(self, key: str) -> "Reading":
        """The events of a stream for one more reader. Busy where all places are taken."""
        stream = self.get(key)
        if not self._readers.acquire(blocking=False):
            raise Busy(f"{self._limits.readers} readers follow streams, as many as may: try later", after=10, own=True)
        return Reading(stream.audience.read(), self._readers)

    def close(self, seconds: float) -> None:
        """Stop all, and wait so long for what they have to tell."""
        for stream in self._streams.values():
            stream.stop()
        until = time.monotonic() + seconds
        for stream in self._streams.values():
            stream.join(max(until - time.monotonic(), 0.0))
            stream.audience.close()

    def _forget(self) -> None:
        over = [stream for stream in self._streams.values() if stream.state != "running"]
        old = time.monotonic() - KEPT_SECONDS
        for stream in over[: max(len(over) - KEPT_STREAMS, 0)] + [one for one in over if one.ended_at < old]:
            self._streams.pop(stream.id, None)
