"""Requests to other people's servers: only where the address says, never on to where a redirect leads."""

from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, build_opener


class _NoRedirect(HTTPRedirectHandler):
    """A redirected POST would arrive as a GET without its body, and a key at a host that it was not given for."""

    def redirect_request(self, *_: object) -> None:
        return None


opener = build_opener(_NoRedirect)


def is_web_address(address: str) -> bool:
    """Whether it is http:// or https:// with a host."""
    return urlsplit(address).scheme in ("http", "https") and bool(urlsplit(address).hostname)
