"""Routes of what is kept: media with their content, segments and timelines, thumbnails, and jobs that index more."""

import mimetypes
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse, JSONResponse
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from vljepa.serving.app.requests import IndexRequest, SpansRequest, read_request
from vljepa.serving.app.shapes import body_of
from vljepa.serving.service.service import Service

_FILE = {"type": "object", "properties": {"file": {"type": "string", "format": "binary"}}, "required": ["file"]}
_UPLOAD = {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": _FILE}}}}


def routes(service: Service) -> APIRouter:
    """Media of the library and uploads, under one kind of id."""
    router = APIRouter(prefix="/v1/media", tags=["media"])

    @router.get("")
    def media() -> dict[str, Any]:
        """All media of the library, by path."""
        return {"media": service.archive.listed()}

    @router.post("", status_code=201, openapi_extra=_UPLOAD)
    async def upload(request: Request) -> dict[str, Any]:
        """Keep a picture or video for a while; its id stands for it in every other request."""
        name, content = await _sent(request)
        return await run_in_threadpool(_kept, service, content, name)

    @router.get("/{key}/content", response_class=FileResponse)
    def content(key: str) -> FileResponse:
        """The medium itself, in ranges where the client asks for them."""
        path = service.locate("media", key)
        return FileResponse(path, media_type=_type_of(service, key, path), content_disposition_type="inline")

    @router.get("/{key}/segments")
    def segments(key: str) -> dict[str, Any]:
        """What the library keeps of a medium: its segments in time order."""
        return {"segments": service.archive.segments(key)}

    @router.get("/{key}/timeline")
    def timeline(key: str) -> Response:
        """The curve of change and the merge tree of a video; 202 with how far it is while it is being looked at."""
        return _drawn(service.playing.timeline(key))

    @router.post("/{key}/captions", openapi_extra=body_of(SpansRequest))
    async def captions(key: str, request: Request) -> dict[str, Any]:
        """What is said of spans of a timeline's windows."""
        asked = await read_request(request, SpansRequest)
        told = await run_in_threadpool(service.playing.captions, key, asked.spans)
        return {"captions": [asdict(caption) for caption in told]}

    return router


def job_routes(service: Service) -> APIRouter:
    """Thumbnails, and the jobs that fill the library."""
    router = APIRouter(prefix="/v1", tags=["library"])

    @router.get("/segments/{segment}/thumbnail")
    def thumbnail(segment: int) -> Response:
        """A small picture of a segment."""
        picture = service.archive.thumbnail(segment)
        return Response(picture, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=3600"})

    @router.post("/index", status_code=202, openapi_extra=body_of(IndexRequest))
    async def index(request: Request) -> dict[str, Any]:
        """Bring the library up to date with some files and folders; the answer is the job that does it."""
        asked = await read_request(request, IndexRequest)
        return (await run_in_threadpool(service.archive.add, asked.paths)).facts()

    @router.get("/index")
    def jobs() -> dict[str, Any]:
        """All jobs that wait or run, and the latest that are over."""
        return {"jobs": [job.facts() for job in service.jobs.all()]}

    @router.get("/index/{key}")
    def job(key: str) -> dict[str, Any]:
        """How far a job is."""
        return service.jobs.get(key).facts()

    @router.delete("/index/{key}", status_code=202)
    def cancel(key: str) -> dict[str, Any]:
        """End a job where it is; what it has done stays."""
        return service.jobs.cancel(key).facts()

    return router


async def _sent(request: Request) -> tuple[str, bytes]:
    """Name and content of the form's file."""
    async with request.form(max_files=1, max_fields=8) as form:
        file = form.get("file")
        if not isinstance(file, UploadFile):
            raise ValueError("the form holds no file: send the medium in the field 'file'")
        return file.filename or "", await file.read()


def _drawn(timeline: dict[str, Any]) -> Response:
    if timeline.get("state") == "failed":
        raise ValueError(timeline["error"])
    return JSONResponse(timeline, status_code=200 if "edges" in timeline else 202)


def _kept(service: Service, content: bytes, name: str) -> dict[str, Any]:
    upload = service.keep(content, name=name)
    return {"id": upload.id, "name": name, "kind": upload.kind, "size": upload.size}


def _type_of(service: Service, key: str, path: Path) -> str:
    """A type by the name's ending, if it is one of pictures or videos: nothing else is ever served."""
    name = service.shelf.get(key).name if key.startswith("upload-") else path.name
    guessed = mimetypes.guess_type(name)[0] or ""
    if guessed.startswith(("image/", "video/")) and "svg" not in guessed:
        return guessed
    return "application/octet-stream"
