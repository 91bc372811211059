"""Server-sent events: readers are told what comes and what came just before, and nobody holds up the stream."""

import json
import socket
import threading
import time
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from vljepa.streaming import audience
from vljepa.streaming.event_server import EventServer


def event(number: int) -> dict[str, object]:
    return {"event": "segment", "start": float(number), "end": number + 1.0, "time": number + 0.5, "caption": "ä"}


def read(address: str, into: list[str]) -> threading.Thread:
    """A reader that stays until the server hangs up."""

    def run() -> None:
        with urlopen(f"{address}/events", timeout=20) as reply:
            into.append(reply.headers["Content-Type"])
            into.extend(line.decode().rstrip("\n") for line in reply)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def numbers(lines: list[str]) -> list[float]:
    return [json.loads(line.removeprefix("data: "))["start"] for line in lines if line.startswith("data: ")]


def test_two_readers_are_told_everything_and_the_late_one_what_came_before() -> None:
    server = EventServer("0")
    early: list[str] = []
    late: list[str] = []
    first = read(server.address, early)
    while not early:
        time.sleep(0.01)
    server.put(event(0))
    server.put(event(1))
    second = read(server.address, late)
    while not late:
        time.sleep(0.01)
    server.put(event(2))
    server.close()
    first.join(10)
    second.join(10)
    assert early[0] == late[0] == "text/event-stream; charset=utf-8"
    assert numbers(early) == numbers(late) == [0, 1, 2]
    assert early[1:4] == ["event: segment", early[2], ""]


def test_one_who_does_not_read_holds_up_nobody_and_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audience, "QUEUED_EVENTS", 8)
    server = EventServer("127.0.0.1:0")
    stuck = socket.create_connection(server._server.server_address[:2])
    stuck.sendall(b"GET /events HTTP/1.0\r\n\r\n")
    begin = time.monotonic()
    for number in range(3000):
        server.put(event(number) | {"caption": "x" * 2000})
    assert time.monotonic() - begin < 5
    assert len(server._audience._kept) == 8
    stuck.close()
    server.close()


def test_other_paths_are_not_there() -> None:
    server = EventServer("0")
    with pytest.raises(HTTPError, match="404") as error:
        urlopen(f"{server.address}/", timeout=10)
    error.value.close()
    server.close()


@pytest.mark.parametrize("place", ["", "port", "localhost:", "70000", "-1"])
def test_what_is_no_port_is_refused(place: str) -> None:
    with pytest.raises(ValueError, match="no port to listen on"):
        EventServer(place)


def test_a_port_that_is_taken_is_refused() -> None:
    server = EventServer("0")
    port = server.address.rpartition(":")[2]
    with pytest.raises(ValueError, match="cannot be listened on"):
        EventServer(port)
    server.close()
