"""`vljepa compare`: predicting embeddings against predicting tokens, under the same conditions (paper, section 4.5)."""

import shlex
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

from vljepa.cli.options import add_json_option
from vljepa.cli.output import note, say, say_json, write_whole

Ended = TypeVar("Ended")


def add_options(parser: ArgumentParser) -> None:
    """What is compared on what, and how long."""
    add_experiment_options(parser, seeds=3)


def add_experiment_options(parser: ArgumentParser, *, seeds: int) -> None:
    """What `compare` and `ablate` share."""
    parser.add_argument(
        "--corpus", type=Path, metavar="FOLDER", help="shards with captions and labels (vljepa prepare)"
    )
    parser.add_argument("--into", type=Path, metavar="FOLDER", help="trainings and report; a killed run goes on there")
    parser.add_argument(
        "--scale", type=float, default=1.0, metavar="X", help="so many times the steps (default: %(default)s)"
    )
    parser.add_argument("--seeds", type=int, metavar="N", help=f"trainings of each kind (default: {seeds})")
    parser.add_argument("--sources", nargs="+", metavar="NAME", help="only these sources of the corpus")
    parser.add_argument(
        "--workers", type=int, default=2, metavar="N", help="trainings side by side, a thread each (default: 2)"
    )
    parser.add_argument("--cache", type=Path, metavar="FOLDER", help="packages (default: CORPUS/packages)")
    parser.add_argument("--set", nargs="+", action="extend", default=[], metavar="A.B=C", help="settings to change")
    parser.add_argument("--device", default="auto", help="auto (default), cpu, cuda")
    add_json_option(parser)


def run(options: Namespace) -> int:
    """Train what is missing, then write report.json, report.md and the figure."""
    check(options)
    if find_spec("matplotlib") is None:
        raise ValueError("the figure needs matplotlib: install vljepa[eval]")
    from vljepa.config import as_dict
    from vljepa.experiments.cells import write
    from vljepa.experiments.compare import compare
    from vljepa.experiments.compare_report import claims, comparison
    from vljepa.experiments.compare_table import page, plot
    from vljepa.experiments.receipts import receipt_of

    ended = carried_out(compare, options)
    if ended is None:
        return 130
    settings, ground, outcomes = ended
    found = comparison(settings, ground, outcomes)
    report = {
        "claims": claims(found),
        "found": found,
        "settings": as_dict(settings),
        "receipt": receipt_of(command("compare", options), ground, seeds=settings.seeds),
    }
    write(options.into / "report.json", report)
    write_whole(options.into / "report.md", page(report).encode())
    plot(found, options.into / "curves")
    if options.json:
        say_json(report)
    else:
        say(page(report))
    return 0


def check(options: Namespace) -> None:
    """ValueError before the long work for what cannot be."""
    if options.corpus is None or options.into is None:
        raise ValueError("give --corpus (what `vljepa prepare` has built) and --into (where trainings and report go)")
    if not options.corpus.is_dir():
        raise ValueError(f"there is no corpus {options.corpus}: build it with `vljepa prepare`")
    if options.into.exists() and not options.into.is_dir():
        raise ValueError(f"--into {options.into} is a file: name a folder")
    if not options.scale > 0:
        raise ValueError(f"--scale is {options.scale:g}: give a number above 0")
    if options.workers < 1 or (options.seeds is not None and options.seeds < 1):
        raise ValueError("--workers and --seeds are numbers from 1")


def carried_out(experiment: Callable[..., Ended], options: Namespace, **further: Any) -> Ended | None:
    """What the experiment comes to with these options; None where it was stopped, which is said."""
    from vljepa.training.trainer import Interrupted

    try:
        return experiment(
            options.corpus,
            options.into,
            cache=options.cache or options.corpus / "packages",
            scale=options.scale,
            assignments=assignments(options),
            workers=options.workers,
            device=options.device,
            tell=note,
            **further,
        )
    except Interrupted:
        note("vljepa: stopped; the same command goes on from there")
        return None


def assignments(options: Namespace) -> list[str]:
    """What --sources, --seeds and --set change of the settings."""
    found = list(options.set)
    found += [f"ground.sources=[{', '.join(options.sources)}]"] if options.sources else []
    found += [f"seeds={options.seeds}"] if options.seeds is not None else []
    return found


def command(verb: str, options: Namespace) -> str:
    """What was asked, as it can be asked again."""
    parts = ["vljepa", verb, "--corpus", options.corpus.name, "--into", options.into.name]
    parts += ["--scale", f"{options.scale:g}"] if options.scale != 1 else []
    parts += ["--seeds", str(options.seeds)] if options.seeds is not None else []
    parts += ["--sources", *options.sources] if options.sources else []
    parts += ["--set", *options.set] if options.set else []
    return shlex.join(parts)
