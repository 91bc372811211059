"""`vljepa serve`: the model and a library behind an HTTP API, with a page for people."""

import os
from argparse import ArgumentParser, Namespace
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from vljepa.cli.options import add_model_options, add_service_options, open_model, sources_of
from vljepa.cli.output import note, say_json
from vljepa.cli.packages import check_packages

if TYPE_CHECKING:
    from vljepa.serving.service.service import Service

TOKEN_VARIABLE = "VLJEPA_TOKEN"
_HERE = ("127.0.0.1", "localhost", "::1")


def add_options(parser: ArgumentParser) -> None:
    """Where to listen, who may ask, what may be read; limits are those of Limits."""
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1, this machine)")
    parser.add_argument("--port", type=int, default=8600, metavar="N", help="port to listen on (default: 8600; 0: any)")
    parser.add_argument(
        "--token-file",
        type=Path,
        metavar="F",
        help=f"clients have to send the token that stands in this file (or in the variable {TOKEN_VARIABLE})",
    )
    parser.add_argument(
        "--name", action="append", default=[], metavar="HOST", help="a name that browsers know this machine by"
    )
    add_service_options(parser)
    parser.add_argument(
        "--fetch", action="store_true", help="fetch media from web addresses in requests, never from private networks"
    )
    parser.add_argument("--max-body", type=int, default=64, metavar="MIB", help="largest request (default: 64)")
    parser.add_argument("--max-seconds", type=float, default=60.0, metavar="S", help="longest answer (default: 60)")
    parser.add_argument(
        "--max-duration", type=float, default=3600.0, metavar="S", help="longest video in a request (default: 3600)"
    )
    parser.add_argument("--max-requests", type=int, default=256, metavar="N", help="requests at a time (default: 256)")
    parser.add_argument("--max-streams", type=int, default=4, metavar="N", help="streams at a time (default: 4)")
    add_model_options(parser)


def run(options: Namespace) -> None:
    """Listen until Ctrl-C, then finish what was accepted."""
    check_packages("serve", "fastapi", "uvicorn", "python_multipart", "prometheus_client")
    from vljepa.serving.app.build import create_app
    from vljepa.serving.app.guard import Access
    from vljepa.serving.app.metrics import Metrics
    from vljepa.serving.app.server import Server, listen
    from vljepa.serving.service.limits import MEBIBYTE, Limits
    from vljepa.serving.service.service import Service

    limits = Limits(
        body=options.max_body * MEBIBYTE,
        seconds=options.max_seconds,
        duration=options.max_duration,
        requests=options.max_requests,
        streams=options.max_streams,
    )
    access = Access(token=_token(options), hosts=(*_HERE, options.host, *options.name))
    sources, metrics = sources_of(options.source), Metrics()
    with closing(listen(options.host, options.port)) as listening:
        service = Service(
            open_model(options).embedder,
            library=options.library,
            roots=options.root,
            sources=sources,
            remote=options.fetch,
            limits=limits,
            observe=metrics.batch,
        )
        _say(service, listening.getsockname()[:2], as_json=options.json)
        Server(create_app(service, access=access, metrics=metrics), service).serve_on(listening)


def _say(service: "Service", place: tuple[str, int], *, as_json: bool) -> None:
    host, port = place
    address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    note(f"the page is at {address}, the API at {address}/v1, its description at {address}/docs; Ctrl-C ends it")
    if as_json:
        say_json({"address": address, "model": service.embedder.name, "library": service.archive.size()})


def _token(options: Namespace) -> str | None:
    """What clients have to show. ValueError for none at all where other machines can ask."""
    token = os.environ.get(TOKEN_VARIABLE, "").strip()
    if options.token_file is not None:
        try:
            token = options.token_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"the token file {options.token_file} cannot be read: check path and rights") from error
        if not token:
            raise ValueError(f"the token file {options.token_file} is empty: write a long random word into it")
    if not token and options.host not in _HERE:
        raise ValueError(
            f"on {options.host} everybody who reaches this machine could ask, and see the library: "
            f"give --token-file F, or set {TOKEN_VARIABLE}"
        )
    return token or None
