"""`vljepa weights list`: what can be imported, and from where."""

from argparse import ArgumentParser, Namespace
from dataclasses import asdict

from vljepa.cli.options import add_json_option
from vljepa.cli.output import say, say_json


def add_options(parser: ArgumentParser) -> None:
    """Only --json."""
    add_json_option(parser)


def run(options: Namespace) -> None:
    """One kind after the other."""
    from vljepa.weights.importing import COMPOSED, KINDS

    if options.json:
        say_json({"kinds": [{"kind": name} | asdict(kind) for name, kind in KINDS.items()]})
        return
    for name, kind in KINDS.items():
        say(f"{name}: {kind.told}")
        say(f"    SOURCE       {kind.source or '(to be given)'}")
        if name not in COMPOSED:
            say(f"    --x-encoder  {kind.x_encoder}")
        say(f"    --predictor  {kind.predictor}")
        say(f"    --y-encoder  {kind.y_encoder}")
