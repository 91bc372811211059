"""Requests to other people's servers: only where the address says, never on to where a redirect leads."""

import base64
from urllib.parse import quote, unquote, urlsplit, urlunsplit
from urllib.request import HTTPRedirectHandler, build_opener


class _NoRedirect(HTTPRedirectHandler):
    """A redirected POST would arrive as a GET without its body, and a key at a host that it was not given for."""

    def redirect_request(self, *_: object) -> None:
        return None


opener = build_opener(_NoRedirect)
# What has a meaning in a path or a query, or is quoted already.
_KEPT = "/%:@!$&'()*+,;=?"


def is_web_address(address: str) -> bool:
    """Whether it is http:// or https:// with a host."""
    try:
        parts = urlsplit(address)
    except ValueError:  # a bracket that is never closed
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def sendable(address: str) -> tuple[str, dict[str, str]]:
    """A web address as HTTP sends it, all ASCII, and the headers for the user:password@ that it had.

    ValueError, whose text is only the reason, where its host or port cannot be one.
    """
    parts = urlsplit(address)
    host = (parts.hostname or "").encode("idna").decode()
    host = f"[{host}]" if ":" in host else host
    where = host if parts.port is None else f"{host}:{parts.port}"
    path, query = (quote(part, safe=_KEPT, errors="surrogateescape") for part in (parts.path, parts.query))
    headers = {}
    if parts.username is not None:
        secret = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers["Authorization"] = f"Basic {base64.b64encode(secret.encode()).decode()}"
    return urlunsplit((parts.scheme, where, path, query, "")), headers
