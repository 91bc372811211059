"""Routes of streams: create one from a source, follow its events as they come, look at its picture, delete it."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from vljepa.serving.app.requests import StreamRequest, read_request
from vljepa.serving.app.shapes import body_of
from vljepa.serving.service.service import Service
from vljepa.streaming.triggers import TriggerSettings
from vljepa.streaming.watch import WatchSettings

_NO_STORE: Mapping[str, str] = {"Cache-Control": "no-store"}


def routes(service: Service) -> APIRouter:
    """Streams that are watched while the service runs."""
    router = APIRouter(prefix="/v1/streams", tags=["streams"])

    @router.get("")
    def streams() -> dict[str, Any]:
        """Streams that run and that ended lately, and the sources that may be watched by name."""
        listed = [stream.facts() for stream in service.streams.all()]
        return {"streams": listed, "sources": sorted(service.streams.named)}

    @router.post("", status_code=201, openapi_extra=body_of(StreamRequest))
    async def create(request: Request) -> dict[str, Any]:
        """Watch a source: a name that the service was started with, a path, or a medium's id."""
        asked = await read_request(request, StreamRequest)
        stream = await run_in_threadpool(service.watch, asked.source, settings=_settings(asked))
        return stream.facts()

    @router.get("/{key}")
    def stream(key: str) -> dict[str, Any]:
        """How a stream is."""
        return service.streams.get(key).facts()

    @router.get("/{key}/events", response_class=StreamingResponse)
    def events(key: str) -> StreamingResponse:
        """The events of a stream as server-sent events; the latest come first."""
        told = service.streams.read(key)
        return StreamingResponse(told, media_type="text/event-stream", headers=dict(_NO_STORE))

    @router.get("/{key}/picture")
    def picture(key: str) -> Response:
        """The frame that was looked at last."""
        content = service.streams.get(key).picture()
        return Response(content, media_type="image/jpeg", headers=dict(_NO_STORE))

    @router.delete("/{key}", status_code=204)
    def delete(key: str) -> None:
        """Stop a stream and forget it."""
        service.streams.delete(key)

    return router


def _settings(asked: StreamRequest) -> WatchSettings:
    triggers = TriggerSettings(texts=tuple(asked.triggers), threshold=asked.threshold, cooldown=asked.cooldown)
    return WatchSettings(
        online=asked.online,
        rate=asked.rate,
        query=asked.query.strip(),
        window=asked.window,
        hop=asked.hop,
        triggers=triggers,
        trace=True,
    )
