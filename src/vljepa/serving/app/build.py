"""The application: routes over a service, behind the guard, with the page and the API's description."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import resources
from pathlib import Path
from typing import Any

import anyio.to_thread
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from vljepa import __version__
from vljepa.serving.app import asking, following, library
from vljepa.serving.app.errors import answer_of, content_of
from vljepa.serving.app.guard import COOKIE, Access, Guard
from vljepa.serving.app.metrics import Metrics
from vljepa.serving.app.requests import SessionRequest, read_request
from vljepa.serving.app.shapes import body_of, describe
from vljepa.serving.service.refusals import Stranger
from vljepa.serving.service.service import Service

_STATIC = Path(str(resources.files("vljepa.serving"))) / "static"
_ABOUT = "Asks a VL-JEPA model about pictures and videos, and searches the moments of a library."


def create_app(service: Service, *, access: Access, metrics: Metrics) -> FastAPI:
    """The application for a service, which it closes when it is over."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        # A request that waits for the model, and a reader who waits for an event, keep a thread each.
        limits = service.limits
        anyio.to_thread.current_default_thread_limiter().total_tokens = limits.requests + limits.readers
        yield
        await anyio.to_thread.run_sync(service.close)

    app = FastAPI(
        title="vljepa",
        version=__version__,
        description=_ABOUT,
        docs_url=None,  # FastAPI's own pages load their scripts from elsewhere
        redoc_url=None,
        openapi_url=None,
        lifespan=lifespan,
    )
    app.add_middleware(Guard, access=access, limits=service.limits, finished=metrics.finished)
    for router in (asking.routes, library.routes, library.job_routes, following.routes):
        app.include_router(router(service))
    _add_service_routes(app, service, access, metrics)
    _add_page(app)
    _add_errors(app)
    metrics.gauge("waiting", "Pieces of work that wait for the model", lambda: service.worker.waiting)
    metrics.gauge("streams", "Streams that run", lambda: sum(one.state == "running" for one in service.streams.all()))
    return app


def _add_service_routes(app: FastAPI, service: Service, access: Access, metrics: Metrics) -> None:
    @app.get("/healthz", tags=["service"])
    def healthz() -> Response:
        """Whether the service takes work (503 where it does not)."""
        alive = service.worker.alive
        return JSONResponse({"status": "ok" if alive else "stopping"}, status_code=200 if alive else 503)

    @app.get("/v1/service", tags=["service"])
    def facts() -> dict[str, Any]:
        """What is served: model, library, sources."""
        return service.facts()

    @app.get("/metrics", tags=["service"])
    def scrape() -> Response:
        """Counts and times for Prometheus."""
        return Response(metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    @app.post("/v1/session", tags=["service"], status_code=204, openapi_extra=body_of(SessionRequest))
    async def session(request: Request) -> Response:
        """Let this browser in: the token for a cookie, since a player cannot send headers."""
        asked = await read_request(request, SessionRequest)
        if not access.is_token(asked.token):
            raise Stranger("this is not the token that the service was started with")
        answer = Response(status_code=204)
        answer.set_cookie(COOKIE, access.cookie, httponly=True, samesite="strict")
        return answer


def _add_page(app: FastAPI) -> None:
    @app.get("/", include_in_schema=False)
    def page() -> FileResponse:
        return FileResponse(_STATIC / "index.html")

    @app.get("/docs", include_in_schema=False)
    def docs() -> FileResponse:
        return FileResponse(_STATIC / "docs.html")

    @app.get("/openapi.json", include_in_schema=False)
    def openapi() -> dict[str, Any]:
        return describe(app)

    app.mount("/static", StaticFiles(directory=_STATIC), name="static")


def _add_errors(app: FastAPI) -> None:
    async def told(request: Request, error: Exception) -> Response:
        assert isinstance(error, ValueError), "registered for it alone"
        status, headers, content = answer_of(error)
        return JSONResponse(content, status, headers={name.decode(): value.decode() for name, value in headers})

    async def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException), "registered for it alone"
        content = content_of(f"{request.method} {request.url.path}: {error.detail}", error.status_code)
        return JSONResponse(content, error.status_code, headers=error.headers)

    async def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError), "registered for it alone"
        first = error.errors()[0]
        return JSONResponse(content_of(f"{'.'.join(map(str, first['loc']))}: {first['msg']}", 422), 422)

    async def ours(request: Request, error: Exception) -> Response:
        sentence = f"a mistake of ours, {type(error).__name__}: please report it"
        return JSONResponse(content_of(sentence, 500), 500)

    app.add_exception_handler(ValueError, told)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(Exception, ours)
