"""Media at web addresses, fetched so that no request can make the service talk to the network it stands in.

A name is resolved once, every address it has must be a public one, and the connection goes to an address that was
looked at: a name that changes its address in between gains nothing. Redirects are followed the same way.
"""

import http.client
import ipaddress
import socket
import ssl
import threading
import time
from contextlib import suppress
from typing import NamedTuple
from urllib.parse import urljoin, urlsplit

from vljepa.serving.service.refusals import Forbidden, TooLarge
from vljepa.streaming.web import is_web_address

MOST_REDIRECTS = 3
# Seconds for a connection, and for each answer of the other side.
TIMEOUT = 10.0
_CHUNK = 2**16
_MOVED = (301, 302, 303, 307, 308)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class _Answer(NamedTuple):
    content: bytes
    moved_to: str | None


def fetch(address: str, *, most_bytes: int, deadline: float) -> bytes:
    """What lies at a public http:// or https:// address.

    Forbidden for any other place, TooLarge above `most_bytes`, ValueError where nothing can be had before the deadline.
    """
    for _ in range(MOST_REDIRECTS + 1):
        answer = _get(address, most_bytes=most_bytes, deadline=deadline)
        if answer.moved_to is None:
            return answer.content
        address = urljoin(address, answer.moved_to)
    raise ValueError(f"the address is redirected more than {MOST_REDIRECTS} times: give the one at the end")


def _get(address: str, *, most_bytes: int, deadline: float) -> _Answer:
    if not is_web_address(address):
        raise Forbidden("only http:// and https:// addresses are fetched: give one of these, or send the medium itself")
    parts = urlsplit(address)
    connection = _connection(address)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    # Whatever the other side does, byte by byte: at the deadline the line is cut.
    alarm = threading.Timer(max(deadline - time.monotonic(), 0.0), connection.cut)
    alarm.daemon = True
    alarm.start()
    try:
        # No encoding: a few compressed bytes would become as many as they like.
        connection.request("GET", target, headers={"Accept-Encoding": "identity", "User-Agent": "vljepa"})
        reply = connection.getresponse()
        if reply.status in _MOVED:
            return _Answer(b"", reply.headers.get("Location", ""))
        if reply.status != 200:
            raise ValueError(f"the address answered {reply.status}, not with a medium: check it in a browser")
        content = _read(reply, most_bytes=most_bytes)
        if connection.was_cut or reply.length:
            raise ValueError("the address broke off, or sent too slowly: download the medium and send it instead")
        return _Answer(content, None)
    except (OSError, http.client.HTTPException, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise ValueError(f"the address could not be fetched ({reason}): check it in a browser") from error
    finally:
        alarm.cancel()
        connection.close()


def _read(reply: http.client.HTTPResponse, *, most_bytes: int) -> bytes:
    content = bytearray()
    while chunk := reply.read1(_CHUNK):
        content += chunk
        if len(content) > most_bytes:
            raise TooLarge(f"there are more than {most_bytes} bytes at the address: give a smaller medium")
    return bytes(content)


def _connection(address: str) -> "_Pinned":
    """A connection that knows which address of the host it goes to."""
    parts = urlsplit(address)
    host = parts.hostname or ""
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError as error:
        raise ValueError(f"the address has no valid port ({error}): correct it") from error
    pinned = public_address(host, port)
    if parts.scheme == "https":
        return _PinnedTls(host, port, pinned)
    return _Pinned(host, port, pinned)


def public_address(host: str, port: int) -> str:
    """An address of the host; Forbidden unless all that it has are public, ValueError where it has none."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise ValueError(f"the host {host!r} is not known: check the address") from error
    addresses = [str(entry[4][0]) for entry in found]
    if not addresses or not all(map(is_public, addresses)):
        raise Forbidden(
            f"the host {host!r} lies in a private network, where nothing is fetched: send the medium itself"
        )
    return addresses[0]


def is_public(address: str) -> bool:
    """Whether an address can be anybody's: not loopback, private, link-local, multicast, or one of them in disguise."""
    number = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(number, ipaddress.IPv6Address):
        inner = number.ipv4_mapped or number.sixtofour or (number.teredo[1] if number.teredo else None)
        if number in _NAT64:
            inner = ipaddress.IPv4Address(int(number) & 0xFFFFFFFF)
        if inner is not None:
            number = inner
    return number.is_global and not number.is_multicast


class _Pinned(http.client.HTTPConnection):
    """Goes to one address, under the host's name; `cut` ends it from another thread."""

    def __init__(self, host: str, port: int, pinned: str) -> None:
        super().__init__(host, port, timeout=TIMEOUT)
        self._pinned, self.was_cut = pinned, False

    def connect(self) -> None:
        """To the address that was looked at, not to what the name says now."""
        self.sock = socket.create_connection((self._pinned, self.port), TIMEOUT)

    def cut(self) -> None:
        """Hang up, so that whoever waits for the other side waits no longer."""
        self.was_cut = True
        if self.sock is not None:
            with suppress(OSError):
                self.sock.shutdown(socket.SHUT_RDWR)


class _PinnedTls(_Pinned):
    """The same with TLS, whose certificate must be the host's."""

    def connect(self) -> None:
        """Connect, then prove the host."""
        super().connect()
        self.sock = ssl.create_default_context().wrap_socket(self.sock, server_hostname=self.host)
