"""The command `vljepa`: finds the verb, opens its module alone, and turns what goes wrong into a sentence and a status.

Status 0: done. 2: the command or what it was given is wrong, said in one sentence. 1: a mistake of ours.
"""

import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from importlib import import_module

from vljepa import __version__
from vljepa.cli.output import note

VERBS = {
    "embed": "vectors of pictures, videos and texts",
    "classify": "which of these names fits, with probabilities",
    "ask": "answer a question about a picture or video",
    "caption": "say what a picture or video shows",
    "watch": "follow a video and speak when its meaning changes",
    "index": "make or bring up to date a library of videos and pictures",
    "search": "find moments in a library, by text or by example",
    "gate": "spare another vision model the frames that say nothing new",
    "serve": "an HTTP API and a page over the model and a library",
    "mcp": "tools for assistants on this machine (Model Context Protocol)",
    "prepare": "build a training corpus",
    "train": "train a model",
    "evaluate": "measure a model, with receipts",
    "compare": "predicting embeddings against predicting tokens, under equal conditions",
    "ablate": "what each choice of the method is worth, one changed at a time",
    "weights": "list, import, export and check weights",
    "doctor": "check that this machine can run the model",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        options = _parse(arguments)
        status: int = options.run(options) or 0
    except SystemExit as stop:  # argparse has said what is wrong, or printed the help
        return stop.code if isinstance(stop.code, int) else 2
    except (BrokenPipeError, KeyboardInterrupt, OSError, ValueError) as error:
        return _told(error)
    except Exception as error:  # the outermost place: nobody should see a traceback that they did not ask for
        if os.environ.get("VLJEPA_TRACEBACK"):
            raise
        note(f"vljepa: a mistake of ours, {type(error).__name__}: {_one_line(error)}")
        note("Please report it, with what VLJEPA_TRACEBACK=1 and the same command print.")
        return 1
    return status


def _told(error: BaseException) -> int:
    """One sentence about what came from outside, and its status."""
    if isinstance(error, BrokenPipeError):  # the reader of our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    if isinstance(error, KeyboardInterrupt):
        note("vljepa: stopped")
        return 130
    if isinstance(error, OSError):  # a file that may not be read, a disk that is full
        note(f"vljepa: {error.filename or 'a file'} could not be used: {error.strerror or error}")
        return 2
    note(f"vljepa: {_one_line(error)}")
    return 2


def _parse(arguments: list[str]) -> Namespace:
    """Only the module of the verb that was asked for is imported; its help comes from there."""
    asked = next((argument for argument in arguments if not argument.startswith("-")), None)
    parser = ArgumentParser(prog="vljepa", description="Answers about pictures and video, predicted as embeddings.")
    parser.add_argument("--version", action="version", version=f"vljepa {__version__}")
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    for name, summary in VERBS.items():
        verb = verbs.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + ".")
        if name == asked:
            module = import_module(f"vljepa.cli.{name}")
            module.add_options(verb)
            verb.set_defaults(run=module.run)
    return parser.parse_args(arguments)


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())


if __name__ == "__main__":
    sys.exit(main())
