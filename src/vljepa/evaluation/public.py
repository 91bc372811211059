"""A public benchmark from a folder to a report: read, check, see, score, with a receipt."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vljepa.config import as_dict
from vljepa.evaluation.backends.ours import Ours
from vljepa.evaluation.backends.protocol import Backend
from vljepa.evaluation.benchmarks.selective.measure import evaluate_selective
from vljepa.evaluation.report import Report, receipt
from vljepa.evaluation.runners import classification, retrieval, triplets, vqa, world
from vljepa.evaluation.runners.rows import Measured
from vljepa.evaluation.runners.seeing import Look, Seen, check_failed, see_all
from vljepa.evaluation.runners.store import Store
from vljepa.evaluation.sets.check import open_set
from vljepa.evaluation.sets.item import Benchmark, Data, SetError
from vljepa.evaluation.sets.media import MediaFolder

Tell = Callable[[str], None]
_LOOKS: Mapping[str, Callable[[Data, Any], list[Look]]] = {
    "classification": classification.looks,
    "anticipation": classification.looks,
    "retrieval": retrieval.looks,
    "vqa": vqa.looks,
    "world": world.looks,
}


@dataclass(frozen=True, kw_only=True)
class _Run:
    """What all tasks are given."""

    benchmark: Benchmark
    backend: Backend
    root: Path
    settings: Any
    cache: Path | None
    tell: Tell


def evaluate_public(
    benchmark: Benchmark,
    backend: Backend,
    root: Path,
    *,
    settings: Any,
    cache: Path | None,
    command: str,
    tell: Tell = lambda line: None,
) -> Report:
    """All scores of one model on a local copy. Embeddings are kept in `cache`, or for this run alone.

    SetError for a copy that is not the published one, and where more items than allowed have nothing to see.
    """
    if benchmark.task == "streams":
        return _streams(benchmark, backend, root, command=command, tell=tell)
    data, hashes = open_set(benchmark, root, settings)
    tell(f"{benchmark.name}: {len(data.items)} items")
    run = _Run(benchmark=benchmark, backend=backend, root=root, settings=settings, cache=cache, tell=tell)
    seen = None if benchmark.task == "triplets" else _seen(run, data)
    found = triplets.measure(backend, data, settings) if seen is None else _measured(run, data, seen)
    return Report(
        benchmark=benchmark.name,
        rows=found.rows,
        receipt=receipt(
            command=command,
            model=f"{backend.name} {backend.mark}",
            data=hashlib.sha256("".join(hashes.values()).encode()).hexdigest()[:12],
            frames=backend.num_frames,
            sampling=backend.sampling,
            missing=0 if seen is None else seen.missing,
            failed=0 if seen is None else len(seen.failed),
            seed=settings.seed,
            query=settings.query or "none",
            template=getattr(settings, "template", ""),
            pool=found.pool,
            resize=backend.resize,
            files=hashes,
            libraries=backend.libraries,
            further={
                "settings": as_dict(settings),
                "left out": dict(data.left_out),
                "unreadable": list(seen.failed[:20]) if seen else [],
                **found.facts,
            },
        ),
    )


def _streams(benchmark: Benchmark, backend: Backend, root: Path, *, command: str, tell: Tell) -> Report:
    if not isinstance(backend, Ours):
        raise SetError(f"{benchmark.name} needs a model that decodes texts: only model folders of vljepa do")
    return evaluate_selective(backend.embedder, root, command=command, report=tell)


def _seen(run: _Run, data: Data) -> Seen:
    """Everything that is to be looked at, once."""
    if not run.backend.sees:
        raise SetError(f"{run.backend.name} reads texts and sees nothing: measure it on sugarcrepe++ or visla")
    folder = run.root / run.settings.media
    if not data.blobs and not folder.is_dir():
        raise SetError(
            f"there is no folder {folder}: it should hold the media of {run.benchmark.name} (--set media=...)"
        )
    if run.cache is not None:
        run.cache.mkdir(parents=True, exist_ok=True)
    store = Store(None if run.cache is None else run.cache / "embeddings.sqlite")
    try:
        seen = see_all(
            run.backend,
            _LOOKS[run.benchmark.task](data, run.settings),
            folder=MediaFolder(folder, blobs=data.blobs),
            store=store,
            seed=run.settings.seed,
            tell=run.tell,
        )
    finally:
        store.close()
    check_failed(seen, most=run.settings.most_failed, folder=folder)
    return seen


def _measured(run: _Run, data: Data, seen: Seen) -> Measured:
    if run.benchmark.task == "retrieval":
        return retrieval.measure(run.backend, data, run.settings, seen)
    if run.benchmark.task == "vqa":
        return vqa.measure(run.backend, data, run.settings, seen)
    if run.benchmark.task == "world":
        return world.measure(data, run.settings, seen)
    return classification.measure(run.backend, data, run.settings, seen, task=run.benchmark.task, root=run.root)
