"""`vljepa weights export KIND FOLDER --into OUT`: a model folder's weights under their published names."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from vljepa.cli.options import add_json_option
from vljepa.cli.output import say, say_json

KINDS = ("x-encoder", "x-encoder-original", "predictor", "y-encoder", "open-vljepa")


def add_options(parser: ArgumentParser) -> None:
    """What of which model, and where it goes."""
    parser.add_argument("kind", choices=KINDS, help="which part, in which layout")
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="a model folder")
    parser.add_argument("--into", type=Path, required=True, metavar="OUT", help="the new folder")
    add_json_option(parser)


def run(options: Namespace) -> None:
    """Write the files and name them."""
    from vljepa.weights.exporting import export_weights

    files = export_weights(options.kind, options.folder, options.into)
    if options.json:
        say_json({"folder": str(options.into), "files": [str(path) for path in files]})
        return
    for path in files:
        say(str(path))
