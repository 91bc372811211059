"""Benchmarks by name, called by the command line and by recipes alike."""

from collections.abc import Callable, Mapping
from pathlib import Path

from vljepa.embedder import Embedder
from vljepa.evaluation.report import Report
from vljepa.evaluation.sets.item import Benchmark
from vljepa.evaluation.sets.known import KNOWN

SEEDS = "small-seeds"
BENCHMARKS = {
    "small": "the held-out part of the small corpus: pictures, photographs, names, questions, captions, streams",
    SEEDS: "the headline rows of `small` for models that were trained alike with other seeds",
    "selective": "decodes that a stream needs, for every way to choose them: joined held-out clips, camera, EgoExo4D",
}


def all_benchmarks() -> dict[str, Mapping[str, str]]:
    """What each benchmark measures, by name, by task; our own first."""
    found: dict[str, dict[str, str]] = {"our own": dict(BENCHMARKS)}
    for benchmark in KNOWN.values():
        found.setdefault(benchmark.task, {})[benchmark.name] = benchmark.measures
    return dict(found)


def public(name: str) -> Benchmark | None:
    """The public benchmark of that name; None where it is one of our own."""
    return KNOWN.get(name)


def evaluate(
    name: str,
    embedder: Embedder,
    *,
    root: Path | None,
    cache: Path,
    command: str,
    tell: Callable[[str], None] = lambda line: None,
) -> Report:
    """Run the named benchmark on the data in `root`; ValueError for a name that does not exist, or data that do not.

    `small-seeds`, which takes several models, is not for here but for `evaluate_seeds`.
    """
    if name not in BENCHMARKS or name == SEEDS:
        raise ValueError(f"there is no benchmark {name!r} of one model: choose one of {', '.join(BENCHMARKS)}")
    if root is None:
        raise ValueError(f"{name} needs its data: give --root with a corpus made by `vljepa prepare`")
    if name == "selective":
        from vljepa.evaluation.benchmarks.selective.measure import evaluate_selective

        return evaluate_selective(embedder, root, command=command, report=tell)
    from vljepa.evaluation.benchmarks.small import evaluate_small

    return evaluate_small(embedder, root, cache=cache, command=command, report=tell)
