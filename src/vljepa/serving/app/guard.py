"""What every request passes before anything reads it: where it comes from, who sends it, how much, and how slowly.

No part of the application sees a body that is too large, too slow, compressed, or from a stranger.
"""

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from urllib.parse import SplitResult, urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vljepa.serving.app.errors import answer_of
from vljepa.serving.service.limits import Limits
from vljepa.serving.service.refusals import Busy, Forbidden, NotMedia, Refusal, Stranger, TooLarge, TooSlow

COOKIE = "vljepa"
# Seconds in which a client that is sent something has to take some of it.
SEND_SECONDS = 20.0
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_CHANGING = ("POST", "PUT", "PATCH", "DELETE")
Finished = Callable[[Scope, int, float], None]


@dataclass(frozen=True, kw_only=True)
class Access:
    """Who may ask. `token`: what a client has to show, None for nothing; `hosts`: names that the service answers to.

    `open_paths` need no token, nor do those that begin with one of `open_folders`.
    """

    token: str | None = field(default=None, repr=False)
    hosts: Collection[str] = _LOOPBACK
    open_paths: Collection[str] = ("/", "/docs", "/healthz", "/openapi.json", "/v1/session")
    open_folders: tuple[str, ...] = ("/static/",)

    @property
    def cookie(self) -> str:
        """What the page's cookie holds: it proves the token and does not hold it."""
        return hmac.new((self.token or "").encode(), b"vljepa page", hashlib.sha256).hexdigest()

    def check(self, method: str, path: str, headers: Mapping[str, str]) -> None:
        """Stranger or Forbidden for who may not ask."""
        host = _parts(f"//{headers.get('host', '')}").hostname or ""
        # A page of anybody's can make a browser ask 127.0.0.1, also under a name that it lets point there.
        if "*" not in self.hosts and host not in self.hosts:
            raise Forbidden(f"this service does not answer to the name {host!r}: start it with --name {host or 'NAME'}")
        origin = headers.get("origin")
        if method in _CHANGING and origin is not None and _parts(origin).netloc != headers.get("host", ""):
            raise Forbidden("requests from other sites' pages are refused: send it from a program, or from this page")
        if self.token is None or path in self.open_paths or path.startswith(self.open_folders):
            return
        if not (self.is_token(_bearer(headers)) or _same(_cookie(headers), self.cookie)):
            raise Stranger("this service wants a token: send the header Authorization: Bearer TOKEN")

    def is_token(self, shown: str) -> bool:
        """Whether it is the token, in a time that tells nothing about it."""
        return self.token is None or _same(shown, self.token)


class Guard:
    """ASGI middleware that lets through what `access` and `limits` allow. `finished` hears of each request's end."""

    def __init__(self, app: ASGIApp, *, access: Access, limits: Limits, finished: Finished) -> None:
        self._app, self._access, self._limits, self._finished = app, access, limits, finished
        self._active = 0
        self._held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begin, status = time.perf_counter(), 500

        async def told(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), *_HEADERS]
            await asyncio.wait_for(send(message), SEND_SECONDS)

        self._active += 1
        try:
            await self._handled(scope, receive, told)
        except TimeoutError:  # a client that takes nothing is left
            status = 499
        finally:
            self._active -= 1
            self._finished(scope, status, time.perf_counter() - begin)

    async def _handled(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = _Body(receive, self._limits, self._hold)
        try:
            self._check(scope)
            await self._app(scope, body.receive, send)
        except Refusal as error:
            status, headers, content = answer_of(error)
            start = {"type": "http.response.start", "status": status, "headers": headers}
            await send(start)
            await send({"type": "http.response.body", "body": json.dumps(content).encode()})
        finally:
            self._held -= body.held

    def _check(self, scope: Scope) -> None:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        self._access.check(scope["method"], scope["path"], headers)
        if self._active > self._limits.requests:
            raise Busy(f"{self._limits.requests} requests are handled already: try again soon", after=1)
        if headers.get("content-encoding", "identity").lower() != "identity":
            raise NotMedia("compressed bodies are not unpacked: send it as it is, without Content-Encoding")
        length = headers.get("content-length", "0")
        if length.isdecimal() and int(length) > self._limits.body:
            raise TooLarge(_too_large(self._limits))

    def _hold(self, size: int) -> None:
        """Count bytes of bodies that are in memory."""
        if self._held + size > self._limits.bodies:
            raise Busy("other requests' bodies fill the memory that there is for them: try again soon", after=2)
        self._held += size


class _Body:
    """The body of one request, as it may be: so large at the most, and whole in time."""

    def __init__(self, receive: Receive, limits: Limits, hold: Callable[[int], None]) -> None:
        self.held = 0
        self._receive, self._limits, self._hold = receive, limits, hold
        self._until: float | None = None
        self._whole = False

    async def receive(self) -> Message:
        """The next message of the server; once the body is whole, that is the client's going away."""
        if self._whole:
            return await self._receive()
        now = time.monotonic()
        self._until = self._until or now + self._limits.receive
        try:
            message = await asyncio.wait_for(self._receive(), max(self._until - now, 0.001))
        except TimeoutError:
            raise TooSlow(f"the body did not arrive within {self._limits.receive:g} s: send it faster") from None
        size = len(message.get("body", b""))
        if self.held + size > self._limits.body:
            raise TooLarge(_too_large(self._limits))
        self._hold(size)
        self.held += size
        self._whole = not message.get("more_body", False)
        return message


# Nothing that the service sends is run, framed, sniffed for another type, or told to other sites.
_POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
_HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"content-security-policy", _POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)


def _too_large(limits: Limits) -> str:
    return f"the request is larger than {limits.body} bytes: send less at a time"


def _parts(address: str) -> SplitResult:
    """An address in parts, all of them empty where it is none."""
    try:
        return urlsplit(address)
    except ValueError:  # a bracket that is never closed
        return urlsplit("")


def _bearer(headers: Mapping[str, str]) -> str:
    kind, _, shown = headers.get("authorization", "").partition(" ")
    return shown.strip() if kind.lower() == "bearer" else ""


def _cookie(headers: Mapping[str, str]) -> str:
    cookies = SimpleCookie()
    try:
        cookies.load(headers.get("cookie", ""))
    except CookieError:
        return ""
    return cookies[COOKIE].value if COOKIE in cookies else ""


def _same(shown: str, expected: str) -> bool:
    return hmac.compare_digest(shown.encode(), expected.encode())
