"""Fetching for strangers: only public addresses, whatever a name or a redirect says, so much, and for so long."""

import socket
import time
from typing import Any

import pytest
from tests.servers import Visit, serving

from vljepa.serving.service import remote
from vljepa.serving.service.refusals import Forbidden, TooLarge
from vljepa.serving.service.remote import fetch, is_public, public_address

PRIVATE = (
    "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
    "255.255.255.255", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "ff02::1", "::ffff:127.0.0.1",
    "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a00:1", "2002:7f00:1::", "2002:a00:1::",
)  # fmt: skip


def get(address: str, *, most_bytes: int = 1000, seconds: float = 5.0) -> bytes:
    return fetch(address, most_bytes=most_bytes, deadline=time.monotonic() + seconds)


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_are_known_in_every_disguise(address: str) -> None:
    assert not is_public(address)


def test_public_addresses_are_public() -> None:
    assert all(map(is_public, ("8.8.8.8", "1.1.1.1", "2606:4700::1111")))


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:9/",
        "http://localhost/",
        "http://[::1]/",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://127.1/",
    ],
)
def test_nothing_private_is_asked(address: str) -> None:
    with pytest.raises((Forbidden, ValueError), match=r"private network|not known"):
        get(address)


@pytest.mark.parametrize("address", ["file:///etc/passwd", "ftp://example.org/a", "http://", "gopher://x/"])
def test_other_kinds_of_addresses_are_refused(address: str) -> None:
    with pytest.raises(Forbidden, match="http"):
        get(address)


def resolve(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    found: Any = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 80)) for address in addresses]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *arguments, **named: found)


def test_one_private_address_among_public_ones_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve(monkeypatch, "8.8.8.8", "10.0.0.1")
    with pytest.raises(Forbidden, match="private network"):
        public_address("example.org", 80)
    resolve(monkeypatch, "8.8.8.8", "1.1.1.1")
    assert public_address("example.org", 80) == "8.8.8.8"


def test_the_connection_goes_to_the_address_that_was_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve(monkeypatch, "8.8.8.8")
    gone: list[Any] = []

    def connect(place: Any, timeout: float) -> socket.socket:
        resolve(monkeypatch, "127.0.0.1")  # the name changes its mind
        gone.append(place)
        raise OSError(111, "refused")

    monkeypatch.setattr(socket, "create_connection", connect)
    with pytest.raises(ValueError, match="could not be fetched"):
        get("http://example.org/clip.mp4")
    assert gone == [("8.8.8.8", 80)]


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine counts as public, so that a server of the test's own can be asked."""
    monkeypatch.setattr(remote, "is_public", lambda address: address == "127.0.0.1")


@pytest.mark.usefixtures("here")
def test_a_medium_is_fetched_and_one_that_is_too_large_is_not() -> None:
    with serving(lambda visit: visit.send(b"x" * 500)) as address:
        assert get(f"{address}/clip.mp4") == b"x" * 500
        with pytest.raises(TooLarge, match="more than 499 bytes"):
            get(address, most_bytes=499)
    with serving(lambda visit: visit.send_endless(b"x" * 5000)) as address, pytest.raises(TooLarge):
        get(address)
    broken_off = pytest.raises(ValueError, match=r"broke off|fetched")
    with serving(lambda visit: visit.send(b"x" * 10, length=500)) as address, broken_off:
        get(address)
    with serving(lambda visit: visit.send(status=404)) as address, pytest.raises(ValueError, match="answered 404"):
        get(address)


@pytest.mark.usefixtures("here")
def test_redirects_are_looked_at_like_addresses() -> None:
    def redirected(to: str) -> Any:
        def answer(visit: Visit) -> None:
            visit.send_response(302)
            visit.send_header("Location", to if visit.path == "/" else "/")
            visit.end_headers()

        return answer

    with serving(lambda visit: visit.send(b"there")) as there, serving(redirected(there)) as address:
        assert get(f"{address}/") == b"there"
    for to in ("http://10.0.0.1/", "http://169.254.169.254/latest/meta-data", "file:///etc/passwd"):
        with serving(redirected(to)) as address, pytest.raises(Forbidden):
            get(f"{address}/")
    with serving(redirected("/again")) as address, pytest.raises(ValueError, match="redirected more than 3 times"):
        get(f"{address}/")


@pytest.mark.usefixtures("here")
def test_a_server_that_drips_is_left_at_the_deadline() -> None:
    def drip(visit: Visit) -> None:
        visit.wfile.write(b"HTTP/1.1 200 OK\r\n")
        for _ in range(100):
            visit.wfile.write(b"X")
            visit.wfile.flush()
            time.sleep(0.05)

    with serving(drip) as address:
        begin = time.monotonic()
        with pytest.raises(ValueError, match=r"fetched|slowly"):
            get(address, seconds=0.3)
        assert time.monotonic() - begin < 2
