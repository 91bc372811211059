"""An OpenAI-compatible address in front of a user's own VLM: it is asked only when what is shown has moved.

Requests for a chat completion with pictures or clips (as data: addresses) are answered with the model's last answer to
the same words where the embedding has not moved; all else is handed on as it came.
"""

import base64
import binascii
import hashlib
import json
import logging
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.client import HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request

from vljepa.data.errors import MediaError, name_of
from vljepa.embedder import Embedder
from vljepa.streaming.gating import GateSettings, Movement, embedding_of
from vljepa.streaming.web import is_web_address, opener

logger = logging.getLogger(__name__)

COMPLETIONS = "/chat/completions"
REPORT = "/gate"
MARK = "X-VLJEPA-Gate"
LARGEST_BODY = 64 * 2**20
KEPT_QUESTIONS = 256
_TIMEOUT = 600.0
_HANDED_ON = ("Authorization", "Content-Type", "Accept", "OpenAI-Organization", "OpenAI-Project")
_PARTS = ("image_url", "video_url")


class Reply(NamedTuple):
    """What the other model's server said."""

    status: int
    kind: str
    body: bytes


@dataclass
class _Question:
    """The same words with changing pictures: what was seen and said last."""

    movement: Movement
    reply: Reply | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)


class GateProxy:
    """Decides and counts; `answer` may be called from several threads."""

    def __init__(self, address: str, embedder: Embedder, *, settings: GateSettings | None = None) -> None:
        """ValueError for an address that is not http:// or https://; it is that of the API, as in http://host/v1."""
        if not is_web_address(address):
            raise ValueError(f"{name_of(address)} is no address of an API: write http://host:port/v1")
        self._address = address.rstrip("/")
        self._settings = settings or GateSettings()
        self._embedder = embedder
        self._lock = threading.Lock()
        self._questions: OrderedDict[str, _Question] = OrderedDict()
        self.requests = self.forwarded = 0

    @property
    def saved(self) -> int:
        """Requests with pictures that the other model was spared."""
        return self.requests - self.forwarded

    def counts(self) -> dict[str, Any]:
        """What a report says: requests with pictures, how many were handed on, how many were spared."""
        share = self.saved / self.requests if self.requests else 0.0
        return {
            "event": "gate",
            "requests": self.requests,
            "forwarded": self.forwarded,
            "saved": self.saved,
            "share_saved": round(share, 4),
        }

    def answer(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> tuple[Reply, str]:
        """The reply to a request, and whether it is "forwarded", "saved", or was "passed" on without a look."""
        asked = _asked(body) if method == "POST" and urlsplit(path).path.endswith(COMPLETIONS) else None
        if asked is None:
            return self._forward(method, path, headers, body), "passed"
        question = self._question(f"{headers.get('Authorization', '')} {asked.words}")
        with question.lock:
            return self._gated(question, asked.media, (method, path, headers, body))

    def _gated(self, question: _Question, media: tuple[bytes, ...], request: Any) -> tuple[Reply, str]:
        try:
            with self._lock:  # the model is not for several threads
                embedding = embedding_of(media, self._embedder, query=self._settings.query)
        except MediaError as error:
            logger.warning("handed on without a look: %s", error)
            return self._forward(*request), "passed"
        with self._lock:
            self.requests += 1
        if question.reply is not None and not question.movement.moved(embedding):
            return question.reply, "saved"
        with self._lock:
            self.forwarded += 1
        reply = self._forward(*request)
        if reply.status == 200:
            question.reply = reply
            question.movement.let_through(embedding)
        return reply, "forwarded"

    def _question(self, words: str) -> _Question:
        """The state of the same words; the oldest of more than KEPT_QUESTIONS is forgotten."""
        key = hashlib.sha256(words.encode()).hexdigest()
        with self._lock:
            question = self._questions.setdefault(key, _Question(Movement(self._settings)))
            self._questions.move_to_end(key)
            while len(self._questions) > KEPT_QUESTIONS:
                self._questions.popitem(last=False)
        return question

    def _forward(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """The server's own reply, also where it is an error; 502 with a sentence where there is none."""
        # Clients are told `http://here/v1`: what follows the version is appended to the address, which has its own.
        # The slash is ours, so that no path can name another host.
        rest = path.removeprefix("/v1").lstrip("/")
        request = Request(f"{self._address}/{rest}", body or None, dict(headers), method=method)
        try:
            with opener.open(request, timeout=_TIMEOUT) as reply:
                return Reply(reply.status, reply.headers.get("Content-Type", "application/json"), reply.read())
        except HTTPError as error:
            with error:
                return Reply(error.code, error.headers.get("Content-Type", "application/json"), error.read())
        except (OSError, HTTPException) as error:
            reason = getattr(error, "reason", None) or error or type(error).__name__
            return _refusal(502, f"{name_of(self._address)} did not answer ({reason}): check that the model runs there")


class _Asked(NamedTuple):
    """The words of a request with its pictures taken out, and the pictures."""

    words: str
    media: tuple[bytes, ...]


def _asked(body: bytes) -> _Asked | None:
    """None where there is nothing to look at: no JSON, no picture, or one that lies somewhere else."""
    try:
        request = json.loads(body)
        media: list[bytes] = []
        for part in _media_parts(request):
            kind = part["type"]
            address = part[kind]["url"] if isinstance(part[kind], dict) else part[kind]
            head, comma, content = str(address).partition(",")
            if not (head.startswith("data:") and head.endswith(";base64") and comma):
                return None
            media.append(base64.b64decode(content, validate=True))
            part[kind] = ""
    except (ValueError, KeyError, TypeError, AttributeError, binascii.Error):
        return None
    return _Asked(json.dumps(request, sort_keys=True), tuple(media)) if media else None


def _media_parts(request: Any) -> Iterator[dict[str, Any]]:
    for message in request["messages"]:
        if isinstance(message["content"], list):
            yield from (part for part in message["content"] if part.get("type") in _PARTS)


def _refusal(status: int, sentence: str) -> Reply:
    """An error as OpenAI's clients read it."""
    error = {"error": {"message": sentence, "type": "vljepa_gate", "code": status}}
    return Reply(status, "application/json", json.dumps(error).encode())


class _Handler(BaseHTTPRequestHandler):
    """One request of a client."""

    protocol_version = "HTTP/1.1"
    server: "_Server"

    def do_GET(self) -> None:
        """Counts at /gate, all else handed on."""
        if self.path == REPORT:
            self._send(Reply(200, "application/json", json.dumps(self.server.proxy.counts()).encode()), "passed")
            return
        self._send(*self.server.proxy.answer("GET", self.path, self._handed_on(), b""))

    def do_POST(self) -> None:
        """A chat completion or anything else."""
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal():
            self.close_connection = True
            self._send(_refusal(411, "the request says no length: send a Content-Length"), "passed")
        elif int(length) > LARGEST_BODY:
            self.close_connection = True
            self._send(_refusal(413, f"the request is larger than {LARGEST_BODY >> 20} MiB: send less"), "passed")
        else:
            body = self.rfile.read(int(length))
            self._send(*self.server.proxy.answer("POST", self.path, self._handed_on(), body))

    def log_message(self, format: str, *arguments: object) -> None:
        """Requests are counted, not written down."""

    def _handed_on(self) -> dict[str, str]:
        """The headers that are the other server's business; their names come in any case."""
        return {name: value for name in _HANDED_ON if (value := self.headers.get(name))}

    def _send(self, reply: Reply, decision: str) -> None:
        try:
            self.send_response(reply.status)
            self.send_header("Content-Type", reply.kind)
            self.send_header("Content-Length", str(len(reply.body)))
            self.send_header(MARK, decision)
            self.end_headers()
            self.wfile.write(reply.body)
        except OSError:  # the client has gone
            self.close_connection = True


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, place: tuple[str, int], proxy: GateProxy) -> None:
        super().__init__(place, _Handler)
        self.proxy = proxy


def proxy_server(proxy: GateProxy, *, host: str = "127.0.0.1", port: int = 0) -> ThreadingHTTPServer:
    """A server for the proxy, to be run with `serve_forever`; ValueError where the port cannot be had."""
    try:
        return _Server((host, port), proxy)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ValueError(f"{host}:{port} cannot be listened on ({reason}): choose another --port") from error
