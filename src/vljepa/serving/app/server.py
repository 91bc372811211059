"""The listening side: uvicorn, with a time limit for headers and an end that finishes what was accepted."""

import asyncio
import signal
import socket
from types import FrameType
from typing import Any

import h11
import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from vljepa.serving.service.service import Service

HEADER_SECONDS = 10.0
# Seconds that answers which were begun may still take after the service was told to stop.
FINISH_SECONDS = 60
_SLOW = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class PatientProtocol(H11Protocol):
    """One connection, which is closed where it has not said in time what it wants; uvicorn itself waits for ever."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._alarm: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Count from the first moment."""
        super().connection_made(transport)
        self._wait_for_headers()

    def data_received(self, data: bytes) -> None:
        """Count anew with each request."""
        super().data_received(data)
        if self.conn.their_state is h11.IDLE:
            self._wait_for_headers()
        else:
            self._stop_waiting()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any more."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _wait_for_headers(self) -> None:
        if self._alarm is None:
            self._alarm = self.loop.call_later(HEADER_SECONDS, self._hang_up)

    def _stop_waiting(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def _hang_up(self) -> None:
        if not self.transport.is_closing():
            self.transport.write(_SLOW)
            self.transport.close()


class Server(uvicorn.Server):
    """Stops in order: no new connections, streams are ended, what was accepted is answered, then all is closed."""

    def __init__(self, app: FastAPI, service: Service) -> None:
        self._service = service
        config = uvicorn.Config(
            app,
            http=PatientProtocol,
            ws="none",
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=FINISH_SECONDS,
        )
        super().__init__(config)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End streams first: those who follow them would hold up the end."""
        self._service.hang_up()
        await super().shutdown(sockets)

    def serve_on(self, listening: socket.socket) -> None:
        """Serve until SIGINT or SIGTERM, then return when all is done."""

        def end(number: int, frame: FrameType | None) -> None:
            raise KeyboardInterrupt

        before = signal.signal(signal.SIGTERM, end)  # uvicorn raises what stopped it again when it is through
        try:
            self.run(sockets=[listening])
        except KeyboardInterrupt:
            pass
        finally:
            signal.signal(signal.SIGTERM, before)


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens; ValueError where the port cannot be had."""
    if not 0 <= port <= 65535:
        raise ValueError(f"{port} is no port: choose a --port from 1 to 65535, or 0 for any")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, port), family=family, backlog=256)
    except OSError as error:
        raise ValueError(f"{host}:{port} cannot be listened on ({error.strerror}): choose another --port") from error
    listening.set_inheritable(True)
    return listening
