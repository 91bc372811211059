"""`vljepa classify`: which of the given names fits pictures and videos, with calibrated probabilities."""

from argparse import ArgumentParser, Namespace
from dataclasses import asdict
from pathlib import Path
from typing import Any

from vljepa.cli.options import add_model_options, add_range_options, open_model, texts_of
from vljepa.cli.output import say, say_json

SHOWN = 5


def add_options(parser: ArgumentParser) -> None:
    """Media and labels."""
    parser.add_argument("media", nargs="+", type=Path, metavar="MEDIA", help="pictures and videos")
    parser.add_argument("--labels", nargs="+", metavar="LABEL", help="the names to choose among")
    parser.add_argument("--labels-file", type=Path, metavar="F", help="more of them, one a line, UTF-8")
    parser.add_argument("--query", default="", help='what is asked, for example "what is the person doing?"')
    parser.add_argument("--top", type=int, metavar="N", help=f"tell only the N best (default: {SHOWN}; JSON: all)")
    add_range_options(parser)
    add_model_options(parser)


def run(options: Namespace) -> None:
    """Rank the labels for each medium."""
    from vljepa.data.errors import check_file
    from vljepa.tasks.candidates import checked_candidates

    labels = texts_of(options.labels, options.labels_file)
    if not labels:
        raise ValueError("there are no labels to choose among: give --labels or --labels-file")
    checked_candidates(labels, what="label")
    if options.top is not None and options.top < 1:
        raise ValueError(f"--top is {options.top}: give 1 or more")
    for path in options.media:
        check_file(path)
    model = open_model(options)
    results: list[dict[str, Any]] = []
    for path in options.media:
        found = model.classify(path, labels, query=options.query, start=options.start, end=options.end)
        top = options.top or (len(labels) if options.json else SHOWN)
        scores = [asdict(score) for score in found.scores[:top]]
        results.append({"media": str(path), "scores": scores, "none_of_these": found.none_of_these})
    if options.json:
        say_json({"results": results})
        return
    for result in results:
        say(result["media"])
        for score in result["scores"]:
            say(f"  {score['probability']:6.1%}  {score['label']}")
        say(f"  {result['none_of_these']:6.1%}  (none of these)")
