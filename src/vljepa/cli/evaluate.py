"""`vljepa evaluate`: measure a model on a benchmark, with the receipt that lets a stranger do it again."""

import shlex
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vljepa.cli.options import add_model_options, open_model
from vljepa.cli.output import check_can_write, note, say, say_json, write_whole


def add_options(parser: ArgumentParser) -> None:
    """Which benchmark, and where its data lie."""
    parser.add_argument("benchmark", nargs="?", metavar="BENCHMARK", help="its name, as --list shows it")
    parser.add_argument("--list", action="store_true", dest="list_them", help="name the benchmarks that there are")
    parser.add_argument("--root", type=Path, metavar="FOLDER", help="where the benchmark's data lie")
    parser.add_argument("--cache", type=Path, metavar="FOLDER", help="downloaded packages (default: ROOT/packages)")
    parser.add_argument("--out", type=Path, metavar="F.md", help="write the report as Markdown, too")
    parser.add_argument("--plot", type=Path, metavar="F", help="draw the curves of `selective` as F.png and F.svg")
    add_model_options(parser)


def run(options: Namespace) -> None:
    """List, or measure and report."""
    from vljepa.evaluation.evaluate import BENCHMARKS, evaluate

    if options.list_them:
        _list(dict(BENCHMARKS), as_json=options.json)
        return
    _check(options, BENCHMARKS)
    cache = options.cache or (options.root / "packages" if options.root is not None else Path("packages"))
    command = f"vljepa evaluate {options.benchmark}" + (
        f" --root {shlex.quote(str(options.root))}" * bool(options.root)
    )
    report = evaluate(
        options.benchmark,
        open_model(options).embedder,
        root=options.root,
        cache=cache,
        command=command,
        tell=note,
    )
    if options.out is not None:
        write_whole(options.out, report.markdown().encode())
    if options.plot is not None:
        _draw(report.curves, options.plot)
    if options.json:
        say_json(report.as_dict())
    else:
        say(report.markdown())


def _check(options: Namespace, benchmarks: dict[str, str]) -> None:
    """ValueError before the long work for a name or a place that cannot be."""
    known = ", ".join(benchmarks)
    if options.benchmark is None:
        raise ValueError(f"which benchmark? Give one of {known}")
    if options.benchmark not in benchmarks:
        raise ValueError(f"there is no benchmark {options.benchmark!r}: give one of {known}")
    if options.root is not None and not options.root.is_dir():
        raise ValueError(f"--root {options.root} is no folder: check the path")
    if options.out is not None:
        check_can_write(options.out)
    if options.plot is not None:
        _check_plot(options)


def _check_plot(options: Namespace) -> None:
    """ValueError before the long work where there will be nothing to draw, or nothing to draw it with."""
    from importlib.util import find_spec

    if options.benchmark != "selective":
        raise ValueError(f"--plot draws the curves of `selective`; {options.benchmark} has none: leave it out")
    check_can_write(options.plot.with_name(f"{options.plot.name}.png"))
    if find_spec("matplotlib") is None:
        raise ValueError("--plot needs matplotlib: install vljepa[eval], or leave it out")


def _draw(curves: Mapping[str, Any], into: Path) -> None:
    from vljepa.evaluation.benchmarks.selective.plot import plot

    note(f"drawn: {', '.join(map(str, plot(curves, into)))}")


def _list(benchmarks: dict[str, str], *, as_json: bool) -> None:
    if as_json:
        say_json({"benchmarks": [{"name": name, "measures": what} for name, what in benchmarks.items()]})
        return
    for name, what in benchmarks.items():
        say(f"{name}  {what}")
