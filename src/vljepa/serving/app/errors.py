"""What is said no to, as HTTP says it: a status, and a sentence in the shape that OpenAI's clients read."""

import math
from typing import Any

from vljepa.serving.service.refusals import Busy, Forbidden, NotFound, NotMedia, Stranger, TooLarge, TooSlow

_STATUS: dict[type[ValueError], int] = {
    TooLarge: 413,
    NotMedia: 415,
    NotFound: 404,
    Forbidden: 403,
    Stranger: 401,
    TooSlow: 408,
}
Headers = list[tuple[bytes, bytes]]


def answer_of(error: ValueError) -> tuple[int, Headers, dict[str, Any]]:
    """Status, headers and content of the answer to a request that cannot be met."""
    status, headers = status_of(error), [(b"content-type", b"application/json")]
    if isinstance(error, Busy):
        headers.append((b"retry-after", str(math.ceil(error.after)).encode()))
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    if status in (408, 413):
        headers.append((b"connection", b"close"))
    return status, headers, content_of(str(error), status)


def status_of(error: ValueError) -> int:
    """422 for what is wrong with the request itself, else by the kind of refusal."""
    if isinstance(error, Busy):
        return 429 if error.own else 503
    return _STATUS.get(type(error), 422)


def content_of(sentence: str, status: int) -> dict[str, Any]:
    """The body of an error."""
    kind = "invalid_request_error" if status < 500 else "server_error"
    return {"error": {"message": " ".join(sentence.split()), "type": kind, "param": None, "code": status}}
