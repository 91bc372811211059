"""The shapes of requests, and reading them from JSON or from a form with files."""

import json
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, TypeVar

from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from vljepa.serving.service.media import From, Given
from vljepa.serving.service.refusals import NotMedia
from vljepa.serving.service.shelf import Upload
from vljepa.streaming.cuts import Method

Second = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Text = Annotated[str, Field(max_length=100_000)]
Keep = Callable[..., Upload]


class Shape(BaseModel):
    """What a request may hold, and nothing else."""

    model_config = ConfigDict(extra="forbid")


class Address(Shape):
    """Where a medium lies: a data: address, or a web address where the service fetches them."""

    url: str


_ORIGINS: Mapping[str, From] = {
    "image_url": "url",
    "video_url": "url",
    "image_base64": "base64",
    "video_base64": "base64",
    "path": "path",
    "media": "media",
}


class Part(Shape):
    """One item: a text, or a medium by address, in base64, by its path in an open folder, or by its id."""

    type: Literal["text", "image_url", "video_url", "image_base64", "video_base64", "path", "media"]
    text: Text | None = None
    image_url: Address | str | None = None
    video_url: Address | str | None = None
    image_base64: str | None = None
    video_base64: str | None = None
    path: str | None = None
    media: str | None = None
    start: Second | None = None
    end: Second | None = None

    def item(self) -> str | Given:
        """The text, or the medium. ValueError where what `type` names is missing."""
        value = getattr(self, self.type)
        if value is None:
            raise ValueError(f"an item of type {self.type!r} needs the field {self.type!r}: add it")
        if self.type == "text":
            return str(value)
        what = value.url if isinstance(value, Address) else value
        return Given(origin=_ORIGINS[self.type], what=what, start=self.start, end=self.end)

    def medium(self) -> Given:
        """The medium. ValueError for a text."""
        item = self.item()
        if isinstance(item, str):
            raise ValueError("a text stands where a picture or video is wanted: give a medium")
        return item


Medium = Part | str


def medium_of(medium: Medium) -> Given:
    """A plain string is an address, or else a path in an open folder."""
    if isinstance(medium, Part):
        return medium.medium()
    is_address = medium[:5].lower() == "data:" or "://" in medium
    return Given(origin="url" if is_address else "path", what=medium)


class EmbeddingsRequest(Shape):
    """As OpenAI's clients send it; items of `input` may also be parts, and `query` asks something of the media."""

    input: Text | list[Text | Part]
    model: str | None = None
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: int | None = None
    user: str | None = None
    query: Text = ""


class ClassifyRequest(Shape):
    """A medium and the names that it may have."""

    medium: Medium
    labels: list[Text]
    query: Text = ""


class AnswerRequest(Shape):
    """A medium, a question, and the answers to choose among; without them the answer is decoded."""

    medium: Medium
    question: Text
    candidates: list[Text] | None = None


class CaptionRequest(Shape):
    """A medium, and perhaps an instruction."""

    medium: Medium
    query: Text = ""


class SearchRequest(Shape):
    """What is looked for (a text, an example, or both), and where; as `vljepa search`."""

    text: Text | None = None
    like: Medium | None = None
    question: Text | None = None
    top: Annotated[int, Field(ge=1, le=1000)] = 10
    path: str | None = None
    start: Second | None = None
    end: Second | None = None
    min_seconds: Second | None = None
    max_seconds: Second | None = None


class IndexRequest(Shape):
    """Files and folders of the open folders that the library is to hold."""

    paths: list[str]


class StreamRequest(Shape):
    """A source to watch: a name that the service knows, a path in an open folder, or a medium's id."""

    source: str
    online: Method | None = "clear"
    rate: float = 0.2
    query: Text = ""
    window: float = 2.0
    hop: float = 0.5
    triggers: list[Text] = []
    threshold: float = 3.0
    cooldown: float = 10.0


class SpansRequest(Shape):
    """Spans of windows, first and past-the-last, to be said in words."""

    spans: list[tuple[int, int]]


class SessionRequest(Shape):
    """The token, given once by the page."""

    token: str


Asked = TypeVar("Asked", bound=Shape)
_LISTS = ("labels", "candidates", "input", "triggers")
_NUMBERS = ("start", "end", "top", "dimensions")


async def read_request(request: Request, kind: type[Asked], keep: Keep | None = None) -> Asked:
    """The request as `kind`, from JSON or, with `keep`, from a form whose `file` fields are media that it keeps.

    NotMedia where it is neither, ValueError where it is wrong.
    """
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type == "application/json":
        body = await request.body()
        return await run_in_threadpool(_checked, lambda: kind.model_validate_json(body))
    if content_type == "multipart/form-data" and keep is not None:
        values = await _form(request, kind, keep)
        return await run_in_threadpool(_checked, lambda: kind.model_validate(values))
    forms = " or multipart/form-data" if keep is not None else ""
    raise NotMedia(f"the body is {content_type or 'of no type'}: send application/json{forms}")


def _checked(validated: Callable[[], Asked]) -> Asked:
    try:
        return validated()
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ValueError(f"the request is wrong{f' at {where}' if where else ''}: {first['msg']}") from error


async def _form(request: Request, kind: type[Shape], keep: Keep) -> dict[str, Any]:
    """Fields as the JSON would hold them; files are kept as uploads, whatever they are called."""
    values: dict[str, Any] = {}
    parts: list[dict[str, Any]] = []
    async with request.form(max_files=64, max_fields=2048) as form:
        for name, value in form.multi_items():
            if isinstance(value, UploadFile):
                upload = await run_in_threadpool(keep, await value.read(), name=value.filename or "")
                parts.append({"type": "media", "media": upload.id})
            elif name in _LISTS:
                values.setdefault(name, []).append(value)
            else:
                values[name] = json.loads(value) if name in _NUMBERS and _is_number(value) else value
    if not parts:
        return values
    if "input" in kind.model_fields:
        values["input"] = [*values.get("input", []), *parts]
    else:
        cut = {name: values.pop(name) for name in ("start", "end") if name in values and kind is not SearchRequest}
        values["like" if kind is SearchRequest else "medium"] = parts[0] | cut
    return values


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).isdecimal()
