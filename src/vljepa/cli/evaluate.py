"""`vljepa evaluate`: measure a model on a benchmark, with the receipt that lets a stranger do it again."""

import shlex
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vljepa.cli.options import add_model_options, open_model
from vljepa.cli.output import check_can_write, note, say, say_json, write_whole

if TYPE_CHECKING:
    from vljepa.evaluation.report import Report


def add_options(parser: ArgumentParser) -> None:
    """Which benchmark, and where its data lie."""
    parser.add_argument("benchmark", nargs="?", metavar="BENCHMARK", help="its name, as --list shows it")
    parser.add_argument("--list", action="store_true", dest="list_them", help="name the benchmarks that there are")
    parser.add_argument("--root", type=Path, metavar="FOLDER", help="where the benchmark's data lie")
    parser.add_argument("--check", action="store_true", help="look at the copy in ROOT, measure nothing")
    parser.add_argument(
        "--embedder",
        metavar="KIND:FOLDER",
        help="measure another model on the same items: clip:, siglip2:, sentence-transformers: or vljepa:FOLDER",
    )
    parser.add_argument(
        "--set", nargs="+", default=[], metavar="NAME=VALUE", dest="assignments", help="choices of a public protocol"
    )
    parser.add_argument(
        "--cache", type=Path, metavar="FOLDER", help="downloads and known embeddings (default: ROOT/packages)"
    )
    parser.add_argument(
        "--models", type=Path, nargs="+", metavar="FOLDER", help="small-seeds: models that were trained alike"
    )
    parser.add_argument("--out", type=Path, metavar="F.md", help="write the report as Markdown, too")
    parser.add_argument(
        "--plot", type=Path, metavar="F", help="draw the curves of `small` or `selective` as F.png and F.svg"
    )
    add_model_options(parser)


def run(options: Namespace) -> int:
    """List, check, or measure and report."""
    from vljepa.evaluation.evaluate import all_benchmarks

    benchmarks = all_benchmarks()
    if options.list_them:
        _list(benchmarks, as_json=options.json)
        return 0
    _check(options, {name: what for names in benchmarks.values() for name, what in names.items()})
    if options.check:
        return _checked(options)
    report = _report(options)
    if options.out is not None:
        write_whole(options.out, report.markdown().encode())
    if options.plot is not None:
        _draw(options.benchmark, report.curves, options.plot)
    if options.json:
        say_json(report.as_dict())
    else:
        say(report.markdown())
    return 0


def _command(options: Namespace) -> str:
    """What was asked, as it can be asked again."""
    parts = ["vljepa", "evaluate", options.benchmark]
    parts += ["--root", str(options.root)] if options.root is not None else []
    parts += ["--embedder", options.embedder] if options.embedder else []
    parts += ["--models", *map(str, options.models)] if options.models else []
    parts += ["--set", *options.assignments] if options.assignments else []
    return shlex.join(parts)


def _report(options: Namespace) -> "Report":
    from vljepa.evaluation.evaluate import SEEDS, evaluate, public

    cache = options.cache or (options.root / "packages" if options.root is not None else Path("packages"))
    command = _command(options)
    benchmark = public(options.benchmark)
    if options.benchmark == SEEDS:
        from vljepa.embedder import Embedder
        from vljepa.evaluation.benchmarks.small_seeds import evaluate_seeds

        return evaluate_seeds(
            options.models,
            options.root,
            open_folder=lambda folder: Embedder.from_folder(folder, device=options.device),
            cache=cache,
            command=command,
            report=note,
        )
    if benchmark is None:
        embedder = open_model(options).embedder
        return evaluate(options.benchmark, embedder, root=options.root, cache=cache, command=command, tell=note)
    from vljepa.config import override
    from vljepa.evaluation.backends.opened import open_backend
    from vljepa.evaluation.backends.ours import Ours
    from vljepa.evaluation.public import evaluate_public

    settings = override(benchmark.settings, options.assignments)
    backend = (
        open_backend(options.embedder, device=options.device)
        if options.embedder
        else Ours(open_model(options).embedder)
    )
    return evaluate_public(benchmark, backend, options.root, settings=settings, cache=cache, command=command, tell=note)


def _checked(options: Namespace) -> int:
    """Tell what the copy is like; status 2 where it is not the published one."""
    from vljepa.config import override
    from vljepa.evaluation.evaluate import public
    from vljepa.evaluation.sets.check import check_set

    benchmark = public(options.benchmark)
    assert benchmark is not None, "checked before"
    found = check_set(benchmark, options.root, override(benchmark.settings, options.assignments), tell=note)
    if options.json:
        say_json(asdict(found) | {"ok": not found.problems})
    else:
        for line in found.lines():
            say(line)
    return 2 if found.problems else 0


def _check(options: Namespace, benchmarks: dict[str, str]) -> None:
    """ValueError before the long work for a name or a place that cannot be."""
    known = ", ".join(benchmarks)
    if options.benchmark is None:
        raise ValueError(f"which benchmark? Give one of {known}")
    if options.benchmark not in benchmarks:
        raise ValueError(f"there is no benchmark {options.benchmark!r}: give one of {known}")
    _check_public(options)
    _check_seeds(options)
    if options.root is not None and not options.root.is_dir():
        raise ValueError(f"--root {options.root} is no folder: check the path")
    if options.out is not None:
        check_can_write(options.out)
    if options.plot is not None:
        _check_plot(options)


def _check_seeds(options: Namespace) -> None:
    """ValueError where several models are given to a benchmark of one, or one to that of several."""
    from vljepa.evaluation.evaluate import SEEDS

    if (options.benchmark == SEEDS) != bool(options.models):
        raise ValueError(f"--models is for {SEEDS}, which needs it: give {SEEDS} two or more model folders with it")
    if options.benchmark != SEEDS:
        return
    if options.model:
        raise ValueError(f"{SEEDS} measures the models of --models: leave --model out")
    if options.root is None:
        raise ValueError(f"{SEEDS} needs its data: give --root with a corpus made by `vljepa prepare`")


def _check_public(options: Namespace) -> None:
    """ValueError where an option of public benchmarks is given to another, or the root is not given at all."""
    from vljepa.evaluation.evaluate import public

    if public(options.benchmark) is None:
        asked = [
            name
            for name, given in (
                ("--check", options.check),
                ("--embedder", options.embedder),
                ("--set", options.assignments),
            )
            if given
        ]
        if asked:
            raise ValueError(f"{options.benchmark} knows no {' and no '.join(asked)}: these are for public benchmarks")
    elif options.root is None:
        raise ValueError(f"{options.benchmark} needs its data: give the folder that holds them with --root")
    if options.embedder and options.model:
        raise ValueError("--embedder and --model name two models: give one of them (vljepa:FOLDER is a model of ours)")


def _check_plot(options: Namespace) -> None:
    """ValueError before the long work where there will be nothing to draw, or nothing to draw it with."""
    from importlib.util import find_spec

    if options.benchmark not in ("small", "selective"):
        raise ValueError(f"--plot draws curves of `small` and `selective`; {options.benchmark} has none: leave it out")
    check_can_write(options.plot.with_name(f"{options.plot.name}.png"))
    if find_spec("matplotlib") is None:
        raise ValueError("--plot needs matplotlib: install vljepa[eval], or leave it out")


def _draw(benchmark: str, curves: Mapping[str, Any], into: Path) -> None:
    from vljepa.evaluation.benchmarks import small_plot
    from vljepa.evaluation.benchmarks.selective import plot as selective_plot

    plot = small_plot.plot if benchmark == "small" else selective_plot.plot
    note(f"drawn: {', '.join(map(str, plot(curves, into)))}")


def _list(benchmarks: Mapping[str, Mapping[str, str]], *, as_json: bool) -> None:
    """By task."""
    if as_json:
        listed = [
            {"name": name, "task": task, "measures": what}
            for task, names in benchmarks.items()
            for name, what in names.items()
        ]
        say_json({"benchmarks": listed})
        return
    for task, names in benchmarks.items():
        say(f"{task}:")
        for name, what in names.items():
            say(f"  {name}  {what}")
