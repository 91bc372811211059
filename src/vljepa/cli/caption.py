"""`vljepa caption`: what a picture or video shows, in words."""

from argparse import ArgumentParser, Namespace
from dataclasses import asdict
from pathlib import Path

from vljepa.cli.options import add_model_options, add_range_options, open_model
from vljepa.cli.output import fidelity_text, say, say_json


def add_options(parser: ArgumentParser) -> None:
    """Medium and instruction."""
    parser.add_argument("media", type=Path, metavar="MEDIA", help="a picture or video")
    parser.add_argument("--query", default="", help='an instruction, for example "what is the person doing?"')
    add_range_options(parser)
    add_model_options(parser)


def run(options: Namespace) -> None:
    """Decode once."""
    found = open_model(options).caption(options.media, query=options.query, start=options.start, end=options.end)
    if options.json:
        say_json(asdict(found))
    else:
        say(f"{found.caption}   ({fidelity_text(found.fidelity, unsure=found.unsure)})")
