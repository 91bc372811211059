"""The API's own description: bodies that are read by hand have their place in it, too."""

from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from vljepa.serving.app import requests

_SHAPES: Sequence[type[BaseModel]] = [
    value
    for value in vars(requests).values()
    if isinstance(value, type) and issubclass(value, requests.Shape) and value is not requests.Shape
]
_FORMS = ("EmbeddingsRequest", "ClassifyRequest", "AnswerRequest", "CaptionRequest", "SearchRequest")


def body_of(shape: type[BaseModel]) -> dict[str, Any]:
    """What `openapi_extra` says of a request's body."""
    content: dict[str, Any] = {"application/json": {"schema": {"$ref": f"#/components/schemas/{shape.__name__}"}}}
    if shape.__name__ in _FORMS:
        file = {"type": "string", "format": "binary", "description": "a picture or video; other fields as in JSON"}
        content["multipart/form-data"] = {"schema": {"type": "object", "properties": {"file": file}}}
    return {"requestBody": {"required": True, "content": content}}


def describe(app: FastAPI) -> dict[str, Any]:
    """The whole OpenAPI document."""
    if app.openapi_schema is None:
        document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        _, shapes = models_json_schema(
            [(shape, "validation") for shape in _SHAPES], ref_template="#/components/schemas/{model}"
        )
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        schemas.update(shapes["$defs"])
        app.openapi_schema = document
    return app.openapi_schema
