"""Events posted to a web address, from a thread of their own, so that a server that hangs never holds up the stream."""

import http.client
import logging
from queue import Empty, Full, Queue
from threading import Event as Flag
from threading import Thread
from urllib.error import HTTPError
from urllib.request import Request

from vljepa.data.errors import name_of
from vljepa.json_line import json_line
from vljepa.streaming.watch import Event
from vljepa.streaming.web import is_web_address, opener, sendable

logger = logging.getLogger(__name__)

# Seconds to wait before each further try, for one answer, and for what is still queued when the stream is over.
WAITS = (0.5, 2.0)
TIMEOUT = 5.0
GRACE = 10.0
QUEUED_EVENTS = 256
_TRY_AGAIN = {408, 425, 429}


class Webhook:
    """A sink that posts every event as JSON to an address, in order, and tries again where that may help.

    What does not fit into the queue of QUEUED_EVENTS, is refused, or has not arrived GRACE seconds after `close` is
    counted in `undelivered` and told to the log. A user:password@ in the address is sent as basic authorization.
    ValueError for an address that is not http:// or https://, or whose host or port cannot be one.
    """

    def __init__(self, address: str) -> None:
        if not is_web_address(address):
            raise ValueError(f"{name_of(address)} is no address to post to: write http://host/path or https://...")
        try:
            self._target, self._headers = sendable(address)
        except ValueError as error:
            raise ValueError(
                f"{name_of(address)} has no usable host or port ({error}): write http://host/path or https://..."
            ) from error
        self._name = name_of(address)
        self._given = self._delivered = 0
        self._reason = "no answer yet"
        self._queue: Queue[Event] = Queue(QUEUED_EVENTS)
        self._closing = Flag()
        self._thread = Thread(target=self._run, name="webhook", daemon=True)
        self._thread.start()

    @property
    def undelivered(self) -> int:
        """Events that were put and have not arrived."""
        return self._given - self._delivered

    def put(self, event: Event) -> None:
        """Queue an event; returns at once."""
        self._given += 1
        try:
            self._queue.put_nowait(event)
        except Full:
            self._reason = "the queue was full"

    def close(self) -> None:
        """Give what is queued GRACE seconds to arrive, and tell how much did not."""
        self._closing.set()
        self._thread.join(GRACE)
        if self.undelivered:
            logger.warning(
                "%d of %d events did not reach %s (%s): check the server",
                self.undelivered,
                self._given,
                self._name,
                self._reason,
            )

    def _run(self) -> None:
        while True:
            try:
                event = self._queue.get(timeout=0.1)
            except Empty:
                if self._closing.is_set():
                    return
                continue
            try:
                self._deliver(json_line(event).encode())
            except Exception as error:  # whatever was wrong with this one, those after it get their chance
                self._reason = f"{type(error).__name__}: {error}"

    def _deliver(self, body: bytes) -> None:
        for wait in (*WAITS, None):
            again = self._post(body)
            if not again or wait is None:
                return
            self._closing.wait(wait)

    def _post(self, body: bytes) -> bool:
        """Post once; whether another try may help."""
        headers = {"Content-Type": "application/json; charset=utf-8", **self._headers}
        request = Request(self._target, body, headers, method="POST")
        try:
            with opener.open(request, timeout=TIMEOUT):
                self._delivered += 1
                return False
        except HTTPError as error:
            self._reason = f"it answered {error.code}"
            return error.code >= 500 or error.code in _TRY_AGAIN
        except (OSError, http.client.HTTPException) as error:
            self._reason = str(getattr(error, "reason", None) or error or type(error).__name__)
            return True
