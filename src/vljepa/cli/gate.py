"""`vljepa gate`: an OpenAI-compatible address that spares another vision-language model what has not changed."""

from argparse import ArgumentParser, Namespace
from typing import Any

from vljepa.cli.options import add_model_options, open_model
from vljepa.cli.output import note, say, say_json


def add_options(parser: ArgumentParser) -> None:
    """Where the other model is, where to listen, and when to ask again; the defaults are those of GateSettings."""
    parser.add_argument("--to", required=True, metavar="URL", help="the other model's API, such as http://host:8000/v1")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1, this machine)")
    parser.add_argument("--port", type=int, default=8765, metavar="N", help="port to listen on (default: 8765; 0: any)")
    parser.add_argument(
        "--threshold",
        type=float,
        default=0.15,
        metavar="D",
        help="cosine distance from what was asked about last at which it is asked again (default: 0.15)",
    )
    parser.add_argument(
        "--at-least-every", type=float, metavar="S", help="seconds after which it is asked in any case (default: never)"
    )
    parser.add_argument("--query", default="", help="what the embedding is to be an answer to (default: a caption)")
    add_model_options(parser)


def run(options: Namespace) -> None:
    """Listen until Ctrl-C, then say how many calls were spared."""
    from vljepa.streaming.gating import GateSettings
    from vljepa.streaming.proxy import GateProxy, proxy_server

    settings = GateSettings(
        threshold=options.threshold, at_least_every=options.at_least_every, query=options.query.strip()
    )
    proxy = GateProxy(options.to, open_model(options).embedder, settings=settings)
    server = proxy_server(proxy, host=options.host, port=options.port)
    host, port = server.server_address[:2]
    note(f"listening on http://{host!s}:{port}/v1; calls are counted at http://{host!s}:{port}/gate; Ctrl-C ends it")
    try:
        server.serve_forever(poll_interval=0.1)
    except KeyboardInterrupt:
        pass
    finally:
        server.server_close()
    _say(proxy.counts(), as_json=options.json)


def _say(counts: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        say_json(counts)
    else:
        say(f"{counts['requests']} requests with pictures, {counts['forwarded']} asked, {counts['saved']} spared")
