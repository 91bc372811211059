"""`vljepa ask`: the answer to a question about a picture or video, chosen among candidates or decoded."""

from argparse import ArgumentParser, Namespace
from dataclasses import asdict
from pathlib import Path

from vljepa.cli.options import add_model_options, add_range_options, open_model, texts_of
from vljepa.cli.output import fidelity_text, say, say_json


def add_options(parser: ArgumentParser) -> None:
    """Medium, question and candidates."""
    parser.add_argument("media", type=Path, metavar="MEDIA", help="a picture or video")
    parser.add_argument("question", metavar="QUESTION", help='for example "what colour is the ball?"')
    parser.add_argument("--candidates", nargs="+", metavar="ANSWER", help="answers to choose among")
    parser.add_argument("--candidates-file", type=Path, metavar="F", help="more of them, one a line, UTF-8")
    add_range_options(parser)
    add_model_options(parser)


def run(options: Namespace) -> None:
    """Ask once."""
    from vljepa.tasks.candidates import checked_candidates
    from vljepa.types import check_text

    check_text(options.question, what="the question")
    candidates = texts_of(options.candidates, options.candidates_file)
    ranked = options.candidates is not None or options.candidates_file is not None
    if ranked:
        checked_candidates(candidates, what="candidate")
    found = open_model(options).ask(
        options.media,
        options.question,
        candidates=candidates if ranked else None,
        start=options.start,
        end=options.end,
    )
    if options.json:
        say_json(asdict(found))
        return
    kept = "" if found.fidelity is None else f"   ({fidelity_text(found.fidelity, unsure=found.unsure)})"
    say(f"{found.answer}{kept}")
    for score in found.scores:
        say(f"  {score.probability:6.1%}  {score.label}")
    if found.none_of_these is not None:
        say(f"  {found.none_of_these:6.1%}  (none of these)")
