"""A service that listens on this machine as long as a `with` statement lasts, and clients that talk to it."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from vljepa.embedder import Embedder
from vljepa.serving.app.build import create_app
from vljepa.serving.app.guard import Access
from vljepa.serving.app.metrics import Metrics
from vljepa.serving.app.server import Server, listen
from vljepa.serving.service.limits import Limits
from vljepa.serving.service.service import Service


@dataclass
class Running:
    """What a test needs of a service that runs."""

    address: str
    service: Service
    server: Server
    client: httpx.Client

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])

    def post(self, path: str, content: Any, **more: Any) -> httpx.Response:
        return self.client.post(path, json=content, **more)

    def events(self, path: str) -> Iterator[dict[str, Any]]:
        """Server-sent events until the service hangs up."""
        with self.client.stream("GET", path, timeout=30) as reply:
            assert reply.headers["content-type"].startswith("text/event-stream")
            for line in reply.iter_lines():
                if line.startswith("data: "):
                    yield json.loads(line.removeprefix("data: "))


@contextmanager
def running(
    embedder: Embedder,
    *,
    token: str | None = None,
    limits: Limits | None = None,
    library: Path | None = None,
    **more: Any,
) -> Iterator[Running]:
    """A service on a free port; it has to end by itself when it is told to."""
    metrics = Metrics()
    service = Service(embedder, library=library, limits=limits, observe=metrics.batch, **more)
    server = Server(create_app(service, access=Access(token=token), metrics=metrics), service)
    listening = listen("127.0.0.1", 0)
    address = f"http://127.0.0.1:{listening.getsockname()[1]}"
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    wait_for(lambda: server.started)
    client = httpx.Client(base_url=address, timeout=30, headers={"Authorization": f"Bearer {token}"} if token else {})
    try:
        yield Running(address, service, server, client)
    finally:
        client.close()
        server.should_exit = True
        thread.join(60)
        assert not thread.is_alive(), "the service did not end"


def wait_for(true: Any, seconds: float = 60.0) -> Any:
    """What `true` returns once it is true."""
    until = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < until, "waited too long"
        time.sleep(0.01)
    return found
