"""Events of one stream for many readers, none of whom holds it up; whoever comes late is told the latest first."""

import threading
from collections import deque
from collections.abc import Iterator

from vljepa.streaming.sinks import server_sent
from vljepa.streaming.watch import Event

# What a reader who comes late is told first, and how far a slow one may fall behind before it loses the oldest.
KEPT_EVENTS = 64
QUEUED_EVENTS = 256
_KEEP_ALIVE = 15.0


class Audience:
    """A sink whose events are read as server-sent events, by any number of readers, each on a thread of its own."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._kept: deque[tuple[int, str]] = deque(maxlen=QUEUED_EVENTS)
        self._given = 0
        self._closed = False

    def put(self, event: Event) -> None:
        """Tell an event; returns at once."""
        with self._changed:
            self._kept.append((self._given, server_sent(event)))
            self._given += 1
            self._changed.notify_all()

    def close(self) -> None:
        """No event will follow: readers are told what is left, and that it is over."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def read(self) -> Iterator[str]:
        """What one reader is told, in order, until the stream is over; a comment where nothing happens for long."""
        with self._changed:
            told = max(0, self._given - KEPT_EVENTS)
        while True:
            with self._changed:
                if self._given == told and not self._closed:
                    self._changed.wait(_KEEP_ALIVE)
                new = [text for number, text in self._kept if number >= told]
                told, over = self._given, self._closed
            yield "".join(new) or ": still here\n\n"
            if over:
                return
