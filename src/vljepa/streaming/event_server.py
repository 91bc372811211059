"""Events as a stream that browsers read: server-sent events at http://host:port/events, from threads of their own."""

import threading
from collections import deque
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from vljepa.streaming.sinks import server_sent
from vljepa.streaming.watch import Event

PATH = "/events"
# What a reader who comes late is told first, and how far a slow one may fall behind before it loses the oldest.
KEPT_EVENTS = 64
QUEUED_EVENTS = 256
_KEEP_ALIVE = 15.0


class EventServer:
    """A sink that tells every event to all who read `address`/events; nobody who reads slowly holds up the stream.

    `place` is PORT or HOST:PORT (this machine alone where no host is named; port 0 for any). Whoever comes late is told
    the latest KEPT_EVENTS first. ValueError where the port cannot be had.
    """

    def __init__(self, place: str) -> None:
        host, _, port = place.rpartition(":")
        if not port.isdecimal() or int(port) > 65535:
            raise ValueError(f"{place!r} is no port to listen on: write 8080, or 0.0.0.0:8080 for other machines")
        self._changed = threading.Condition()
        self._kept: deque[tuple[int, str]] = deque(maxlen=QUEUED_EVENTS)
        self._given = 0
        self._closed = False
        try:
            self._server = _Server((host or "127.0.0.1", int(port)), self)
        except OSError as error:
            raise ValueError(f"{place} cannot be listened on ({error.strerror}): choose another port") from error
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, name="events", daemon=True
        )
        self._thread.start()

    @property
    def address(self) -> str:
        """Where it listens."""
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}"

    def put(self, event: Event) -> None:
        """Tell an event; returns at once."""
        with self._changed:
            self._kept.append((self._given, server_sent(event)))
            self._given += 1
            self._changed.notify_all()

    def close(self) -> None:
        """Let readers have what is left, then hang up."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._server.shutdown()
        self._server.server_close()

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


class _Server(ThreadingHTTPServer):
    # Joined when the server is closed, so that the last events reach those who read.
    daemon_threads = False
    block_on_close = True

    def __init__(self, place: tuple[str, int], events: EventServer) -> None:
        super().__init__(place, _Reader)
        self.events = events


class _Reader(BaseHTTPRequestHandler):
    """One reader, whom a stuck connection may not keep for ever."""

    timeout = 30
    server: _Server

    def do_GET(self) -> None:
        """The events, for as long as both sides like."""
        if self.path != PATH:
            self.send_error(404, f"events are at {PATH}")
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Cache-Control", "no-store")
        self.send_header("Access-Control-Allow-Origin", "*")
        self.end_headers()
        try:
            for text in self.server.events.read():
                self.wfile.write(text.encode())
                self.wfile.flush()
        except OSError:  # the reader has gone
            self.close_connection = True

    def log_message(self, format: str, *arguments: object) -> None:
        """Readers are not written down."""
