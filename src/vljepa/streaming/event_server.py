"""Events as a stream that browsers read: server-sent events at http://host:port/events, from threads of their own."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from vljepa.streaming.audience import Audience
from vljepa.streaming.watch import Event

PATH = "/events"


class EventServer:
    """A sink that tells every event to all who read `address`/events; nobody who reads slowly holds up the stream.

    `place` is PORT or HOST:PORT (this machine alone where no host is named; port 0 for any). ValueError where the port
    cannot be had.
    """

    def __init__(self, place: str) -> None:
        host, _, port = place.rpartition(":")
        if not port.isdecimal() or int(port) > 65535:
            raise ValueError(f"{place!r} is no port to listen on: write 8080, or 0.0.0.0:8080 for other machines")
        self._audience = Audience()
        try:
            self._server = _Server((host or "127.0.0.1", int(port)), self._audience)
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
        self._audience.put(event)

    def close(self) -> None:
        """Let readers have what is left, then hang up."""
        self._audience.close()
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    # Joined when the server is closed, so that the last events reach those who read.
    daemon_threads = False
    block_on_close = True

    def __init__(self, place: tuple[str, int], audience: Audience) -> None:
        super().__init__(place, _Reader)
        self.audience = audience


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
            for text in self.server.audience.read():
                self.wfile.write(text.encode())
                self.wfile.flush()
        except OSError:  # the reader has gone
            self.close_connection = True

    def log_message(self, format: str, *arguments: object) -> None:
        """Readers are not written down."""
