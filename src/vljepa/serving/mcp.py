"""Tools for assistants on the same machine (Model Context Protocol): what the service does, with the same names.

Media are named by their path in an open folder, or by their number in the library.
"""

from collections.abc import Callable
from dataclasses import asdict
from functools import wraps
from typing import Any

from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError

from vljepa import __version__
from vljepa.serving.service.archive import shown
from vljepa.serving.service.media import Given
from vljepa.serving.service.service import Service
from vljepa.streaming.triggers import TriggerSettings
from vljepa.streaming.watch import WatchSettings

_ABOUT = (
    "Looks at pictures and videos of this machine with a small vision-language model, and searches a library of them. "
    "Scores are calibrated probabilities; captions are hints, and a low fidelity means a poor one."
)
MOST_SECONDS = 300.0
_SHOWN_MEDIA = 50


def tools_server(service: Service) -> MCPServer:
    """A server whose tools ask the service."""
    server = MCPServer("vljepa", instructions=_ABOUT, version=__version__)
    _add_asking(server, service)
    _add_watching(server, service)
    return server


def _told(tool: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """What is said no to reaches the assistant as its sentence; all else the SDK keeps to itself as a crash."""

    @wraps(tool)
    def told(*arguments: Any, **named: Any) -> dict[str, Any]:
        try:
            return tool(*arguments, **named)
        except ValueError as error:
            raise ToolError(str(error)) from error

    return told


def _add_asking(server: MCPServer, service: Service) -> None:
    @server.tool()
    @_told
    def search(
        text: str | None = None,
        like: str | None = None,
        question: str | None = None,
        top: int = 10,
        path: str | None = None,
    ) -> dict[str, Any]:
        """Find moments of the library by a text, by an example medium (like), or both.

        `question` re-ranks the best hits by their answer; `path` is part of the file's path. `no_match` is the
        probability that nothing in the library is what was asked for.
        """
        example = None if like is None else medium(like)
        return service.search(text=text, like=example, question=question, top=top, path=path)

    @server.tool()
    @_told
    def ask(
        media: str,
        question: str,
        candidates: list[str] | None = None,
        start: float | None = None,
        end: float | None = None,
    ) -> dict[str, Any]:
        """Answer a question about a picture or video: the best of the candidates, or words where there are none."""
        return asdict(service.answer(medium(media, start, end), question, candidates=candidates))

    @server.tool()
    @_told
    def caption(media: str, start: float | None = None, end: float | None = None) -> dict[str, Any]:
        """Say what a picture or video shows, or a part of it in seconds; `fidelity` says how well the words keep it."""
        return asdict(service.caption(medium(media, start, end)))

    @server.tool()
    @_told
    def describe_library() -> dict[str, Any]:
        """What the library holds, which folders are open, and which sources can be watched by name."""
        listed = service.archive.listed()[:_SHOWN_MEDIA]
        media = [{name: one[name] for name in ("id", "path", "kind", "seconds")} for one in listed]
        return service.facts() | {"media": media, "folders": [shown(str(one)) for one in service.roots.folders]}


def _add_watching(server: MCPServer, service: Service) -> None:
    @server.tool()
    @_told
    def watch_events(
        source: str, seconds: float = 30.0, triggers: list[str] | None = None, rate: float = 0.2
    ) -> dict[str, Any]:
        """Watch a video or a camera for some seconds, and tell its segments with captions and the triggers that fired.

        `source` is a name from describe_library, a path, or a medium's number; a trigger is a text such as
        "a person falls". A file ends sooner than that if it is shorter.
        """
        if not 0 < seconds <= MOST_SECONDS:
            raise ValueError(f"{seconds:g} s are not watched: ask for more than 0, at most {MOST_SECONDS:g}")
        settings = WatchSettings(online="clear", rate=rate, triggers=TriggerSettings(texts=tuple(triggers or ())))
        stream = service.watch(source, settings=settings)
        try:
            stream.join(seconds)
            stream.stop()
            stream.join(service.limits.seconds)
            return stream.facts() | {"events": list(stream.told)}
        finally:
            service.streams.delete(stream.id)


def medium(name: str, start: float | None = None, end: float | None = None) -> Given:
    """A number is a medium of the library, all else a path."""
    return Given(origin="media" if name.isdecimal() else "path", what=name, start=start, end=end)
