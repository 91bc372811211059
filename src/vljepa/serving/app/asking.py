"""Routes that ask the model: embeddings as OpenAI's clients want them, classify, answer, caption, search."""

import base64
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool

from vljepa.serving.app.requests import (
    AnswerRequest,
    CaptionRequest,
    ClassifyRequest,
    EmbeddingsRequest,
    Part,
    SearchRequest,
    medium_of,
    read_request,
)
from vljepa.serving.app.shapes import body_of
from vljepa.serving.service.media import Given
from vljepa.serving.service.refusals import NotFound
from vljepa.serving.service.service import Service


def routes(service: Service) -> APIRouter:
    """Everything that is answered from the model and the library."""
    router = APIRouter(prefix="/v1", tags=["ask"])

    @router.post("/embeddings", openapi_extra=body_of(EmbeddingsRequest))
    async def embeddings(request: Request) -> dict[str, Any]:
        """Embeddings of texts, pictures and videos in one space, in the shape of OpenAI's API."""
        asked = await read_request(request, EmbeddingsRequest, service.keep)
        return await run_in_threadpool(_embeddings, service, asked)

    @router.post("/classify", openapi_extra=body_of(ClassifyRequest))
    async def classify(request: Request) -> dict[str, Any]:
        """Which of the labels fits a picture or video, best first, with the probability that it is none of them."""
        asked = await read_request(request, ClassifyRequest, service.keep)
        medium = medium_of(asked.medium)
        return asdict(await run_in_threadpool(service.classify, medium, asked.labels, query=asked.query))

    @router.post("/answer", openapi_extra=body_of(AnswerRequest))
    async def answer(request: Request) -> dict[str, Any]:
        """The answer to a question about a picture or video: the best candidate, or decoded text without candidates."""
        asked = await read_request(request, AnswerRequest, service.keep)
        medium, candidates = medium_of(asked.medium), asked.candidates
        return asdict(await run_in_threadpool(service.answer, medium, asked.question, candidates=candidates))

    @router.post("/caption", openapi_extra=body_of(CaptionRequest))
    async def caption(request: Request) -> dict[str, Any]:
        """What the model says of a picture or video, and how well the words keep the embedding's meaning."""
        asked = await read_request(request, CaptionRequest, service.keep)
        return asdict(await run_in_threadpool(service.caption, medium_of(asked.medium), query=asked.query))

    @router.post("/search", openapi_extra=body_of(SearchRequest))
    async def search(request: Request) -> dict[str, Any]:
        """Moments of the library that fit a text, an example, or both, and the probability that there is no match."""
        asked = await read_request(request, SearchRequest, service.keep)
        like = None if asked.like is None else medium_of(asked.like)
        values = asked.model_dump(exclude={"like"})
        return await run_in_threadpool(lambda: service.search(like=like, **values))

    @router.get("/models")
    def models() -> dict[str, Any]:
        """The one model that is served, in the shape of OpenAI's API."""
        entry = {"id": service.embedder.name, "object": "model", "created": 0, "owned_by": "vljepa"}
        return {"object": "list", "data": [entry]}

    return router


def _embeddings(service: Service, asked: EmbeddingsRequest) -> dict[str, Any]:
    _check_model(service, asked)
    items = _items(asked.input)
    rows = [row.numpy().astype("<f4") for row in service.embed(items, query=asked.query)]
    data = [
        {"object": "embedding", "index": index, "embedding": _written(row, asked.encoding_format)}
        for index, row in enumerate(rows)
    ]
    tokens = service.count_tokens([item for item in items if isinstance(item, str)])
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "data": data, "model": service.embedder.name, "usage": usage}


def _check_model(service: Service, asked: EmbeddingsRequest) -> None:
    name, dim = service.embedder.name, service.embedder.dim
    if asked.model not in (None, "", name):
        raise NotFound(f"the model {asked.model!r} is not served here: ask for {name!r}, or leave the model out")
    if asked.dimensions not in (None, dim):
        raise ValueError(f"embeddings have {dim} dimensions and mean nothing when cut: leave the dimensions out")


def _items(given: str | Sequence[str | Part]) -> list[str | Given]:
    parts = [given] if isinstance(given, str) else given
    if not parts:
        raise ValueError("there is nothing to embed: give at least one input")
    items = [part if isinstance(part, str) else part.item() for part in parts]
    for number, item in enumerate(items, start=1):
        if isinstance(item, str) and not item.strip():
            raise ValueError(f"input number {number} is empty: write at least one word")
    return items


def _written(row: "np.ndarray[Any, Any]", encoding: str) -> list[float] | str:
    return base64.b64encode(row.tobytes()).decode() if encoding == "base64" else row.tolist()
