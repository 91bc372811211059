"""What sends: a local web server that behaves as badly as a test wants, and a pipe on standard input."""

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Visit(BaseHTTPRequestHandler):
    """One request, which the test's function answers."""

    def do_GET(self) -> None:
        with contextlib.suppress(OSError):  # the visitor has gone
            self.server.answer(self)  # type: ignore[attr-defined]

    do_POST = do_GET

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers["Content-Length"]))

    def send(self, content: bytes = b"", *, status: int = 200, length: int | None = None) -> None:
        """Answer; with a `length` above that of the content the answer breaks off."""
        self.send_response(status)
        self.send_header("Content-Length", str(len(content) if length is None else length))
        self.end_headers()
        self.wfile.write(content)
        self.wfile.flush()

    def send_endless(self, content: bytes) -> None:
        """Answer as cameras do, without saying how much will come; then it ends."""
        self.send_response(200)
        self.end_headers()
        self.wfile.write(content)
        self.wfile.flush()


@contextmanager
def serving(answer: Callable[[Visit], None]) -> Iterator[str]:
    """The address of a server that lives as long as the `with` statement."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Visit)
    server.answer = answer  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def standard_input(content: bytes) -> Iterator[None]:
    """Bytes that come through a pipe, which cannot be sought."""
    before = os.dup(0)
    reading, writing = os.pipe()
    os.dup2(reading, 0)
    os.close(reading)

    def write() -> None:
        with contextlib.suppress(BrokenPipeError), open(writing, "wb") as pipe:
            pipe.write(content)

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    try:
        yield
    finally:
        os.dup2(before, 0)  # closes the reading end
        os.close(before)
        thread.join(timeout=5)
