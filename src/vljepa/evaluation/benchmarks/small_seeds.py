"""`evaluate small-seeds`: the headline rows for models that were trained alike with other seeds."""

from collections.abc import Callable, Sequence
from pathlib import Path

from vljepa.embedder import Embedder
from vljepa.evaluation.benchmarks.held_out import HeldOut
from vljepa.evaluation.benchmarks.small import class_names, imagenet_samples
from vljepa.evaluation.benchmarks.small_rows import (
    action_rows,
    emoji_row,
    found_at_ten,
    naming_row,
    picture_question_rows,
    question_rows,
    retrieved,
)
from vljepa.evaluation.report import Report, Row, data_hash, receipt


def evaluate_seeds(
    folders: Sequence[Path],
    root: Path,
    *,
    open_folder: Callable[[Path], Embedder],
    cache: Path,
    command: str,
    report: Callable[[str], None] = lambda line: None,
) -> Report:
    """Mean of the models and each by itself; no other ways to look and no captions, which `evaluate small` measures.

    ValueError for fewer than two models, or for one whose scores are not those of the same rows.
    """
    if len(folders) < 2:
        raise ValueError("small-seeds compares models that were trained alike: give two or more with --models")
    found: list[list[Row]] = []
    marks = []
    for number, folder in enumerate(folders, 1):
        embedder = open_folder(folder)
        held_out = HeldOut.open(embedder, root, report)
        found.append(headline(held_out, cache))
        marks.append(f"{embedder.name} {embedder.bundle.fingerprint}")
        for row in found[-1]:
            report(f"{number} of {len(folders)}: {row.name}: {row.score:.3f}")
    return Report(
        benchmark="small-seeds",
        rows=tuple(together(rows) for rows in zip(*found, strict=True)),
        receipt=receipt(
            command=command,
            model=", ".join(marks),
            data=data_hash(root / "shards.json"),
            frames=embedder.num_frames,
            sampling=embedder.sampling,
            missing=0,
            seed=0,
        ),
    )


def headline(held_out: HeldOut, cache: Path) -> list[Row]:
    """Retrieval, naming and answering, without baselines that cost a pass of their own."""
    found = {name: (items, found_at_ten(held_out, items)) for name, items in retrieved(held_out).items()}
    return [
        *(
            Row(name=name, score=float(hits.mean()), num_items=len(items), baselines={}, protocol="as in `small`")
            for name, (items, hits) in found.items()
        ),
        naming_row(held_out, imagenet_samples(cache), class_names(cache)),
        emoji_row(held_out),
        *question_rows(held_out, ways=()),
        *picture_question_rows(held_out, ways=()),
        *action_rows(held_out, ways=()),
    ]


def together(rows: Sequence[Row]) -> Row:
    """One row of the mean, from the least to the most; the models are what stands beside it."""
    if len({row.name for row in rows}) > 1:
        raise ValueError(f"these models' rows differ ({', '.join(sorted({row.name for row in rows}))})")
    scores = [row.score for row in rows]
    return Row(
        name=rows[0].name,
        score=sum(scores) / len(scores),
        num_items=rows[0].num_items,
        baselines={f"seed {number}": score for number, score in enumerate(scores, 1)},
        floor=rows[0].floor,
        interval=(min(scores), max(scores)),
        protocol=f"mean of {len(scores)} seeds, from the least to the most; the row of `evaluate small`",
    )
