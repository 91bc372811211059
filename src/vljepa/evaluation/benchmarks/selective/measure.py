"""`evaluate selective`: the paper's figure on selective decoding (4.6), for every way, offline and online."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from vljepa.embedder import Embedder
from vljepa.evaluation.benchmarks.selective.footage import AnnotatedStream
from vljepa.evaluation.benchmarks.selective.methods import ONLINE, RATES, Condition, all_conditions
from vljepa.evaluation.benchmarks.selective.scores import Saving, Scores, curves_by_name, interval, saving, score_all
from vljepa.evaluation.benchmarks.selective.sets import camera_streams, corpus_streams, take_streams
from vljepa.evaluation.report import Report, Row, data_hash, receipt
from vljepa.evaluation.sets.ego_exo import DESCRIPTIONS, is_ego_exo, read_takes

STREAMS = 40
# What the paper's figure shows, and what we ask of ourselves offline and online alike.
FLOOR = 2.85
# Below this CIDEr-D nothing right is said, and how few decodes say as much means nothing.
TELLING = 0.1
Tell = Callable[[str], None]


def evaluate_selective(
    embedder: Embedder, root: Path, *, command: str, report: Tell = lambda line: None, num_streams: int | None = None
) -> Report:
    """Curves and savings on streams of a corpus's held-out clips and of its camera recordings, or on EgoExo4D's takes.

    What the X-Encoder makes of frames is kept in `root/selective`. ValueError where the folder holds neither.
    """
    sets, missing, data = _sets(embedder, root, num_streams=num_streams or STREAMS, report=report)
    rows: list[Row] = []
    curves: dict[str, Any] = {}
    for name, streams in sets.items():
        report(f"{name}: {len(streams)} streams")
        scores = score_all(streams, all_conditions(RATES), embedder, report=report)
        reference = _reference(scores)
        found = _savings(scores, reference)
        curves[name] = _curves(streams, scores, reference, found)
        rows += _rows(name, streams, reference, found, scores)
        for row in rows[-4:]:
            report(f"{row.name}: {row.score:.3f}")
    return Report(
        benchmark="selective",
        rows=tuple(rows),
        curves=curves,
        receipt=receipt(
            command=command,
            model=f"{embedder.name} {embedder.bundle.fingerprint}",
            data=data,
            frames=embedder.num_frames,
            sampling=embedder.sampling,
            missing=missing,
            seed=0,
        ),
    )


def _sets(
    embedder: Embedder, root: Path, *, num_streams: int, report: Tell
) -> tuple[dict[str, list[AnnotatedStream]], int, str]:
    """Sets of streams by name, how many takes are missing, and the data's hash."""
    if is_ego_exo(root):
        takes, missing = read_takes(root)
        streams, broken = take_streams(embedder, takes, report=report)
        if not streams:
            raise ValueError(f"{root} holds no video of a procedural take: fetch them (--parts downscaled_takes/448)")
        return {"EgoExo4D": streams}, missing + broken, data_hash(root / DESCRIPTIONS)
    if not (root / "shards.json").is_file():
        raise ValueError(
            f"{root} is neither a corpus (shards.json is missing) nor EgoExo4D ({DESCRIPTIONS} is missing): "
            "build one with `vljepa prepare small-corpus`"
        )
    keep = root / "selective"
    sets = {
        "joined clips": corpus_streams(embedder, root, num_streams=num_streams, keep=keep, report=report),
        "camera": camera_streams(embedder, root, keep=keep, report=report),
    }
    there = {name: streams for name, streams in sets.items() if streams}
    if not there:
        raise ValueError(f"{root} holds no held-out clips: build it with `vljepa prepare small-corpus`")
    return there, 0, data_hash(root / "shards.json")


def _reference(scores: Sequence[Scores]) -> Scores:
    """Uniform decoding at 1 Hz, with or without averaging, whichever says more."""
    uniform = [one for one in scores if one.condition.way == "uniform" and one.condition.rate == 1.0]
    return max(uniform, key=lambda one: float(one.cider.mean()))


def _savings(scores: Sequence[Scores], reference: Scores) -> dict[str, Saving]:
    """By the name of a way; none where the reference itself says nothing."""
    if float(reference.cider.mean()) < TELLING:
        return {}
    return {way: saving(curve, reference) for way, curve in curves_by_name(scores).items() if len(curve) > 1}


def _curves(
    streams: Sequence[AnnotatedStream], scores: Sequence[Scores], reference: Scores, found: dict[str, Saving]
) -> dict[str, Any]:
    """Plain values of the figure: a list over rates for each way, with intervals over streams."""
    curves: dict[str, Any] = {
        "streams": len(streams),
        "minutes": round(sum(stream.seconds for stream in streams) / 60, 1),
        "annotations": sum(len(stream.annotations) for stream in streams),
        "rates": list(RATES),
        "reference": reference.condition.name,
        "ways": {},
    }
    for name, curve in curves_by_name(scores).items():
        curves["ways"][name] = {
            "rate": [one.condition.rate for one in curve],
            "decodes_per_second": [_rounded(one.decodes_per_second.mean()) for one in curve],
            "cider": [_rounded(one.cider.mean()) for one in curve],
            "cider_interval": [[_rounded(edge) for edge in interval(one.cider)] for one in curve],
            "boundary_f1": [_rounded(one.boundary.mean()) for one in curve],
            "coverage": [_rounded(one.coverage.mean()) for one in curve],
        }
        if name in found:
            curves["ways"][name]["fewer_decodes_than_uniform_1_hz"] = _saving(found[name])
    return curves


def _saving(one: Saving) -> dict[str, Any]:
    return {
        "times": None if one.times is None else _rounded(one.times),
        "interval": [_rounded(one.low), _rounded(one.high)],
        "missed": one.missed,
    }


def _rounded(value: float) -> float | None:
    """Four digits; None where there is none (boundaries of takes are not annotated)."""
    return None if math.isnan(value) else round(float(value), 4)


def _rows(
    name: str, streams: Sequence[AnnotatedStream], reference: Scores, found: dict[str, Saving], scores: Sequence[Scores]
) -> list[Row]:
    """The score that has to be met, and how many times fewer decodes meet it, offline and with each online rule.

    The second only where that score says anything.
    """
    rows = [
        Row(
            name=f"{name}, uniform decoding at 1 Hz",
            score=float(reference.cider.mean()),
            num_items=sum(len(stream.annotations) for stream in streams),
            baselines={"every window": _cider_of(scores, Condition(way="every", rate=max(RATES), pooling="exact"))},
            unit="CIDEr-D",
            interval=interval(reference.cider),
            protocol=f"{reference.condition.name}; each annotation against the output nearest in time, mean by stream; "
            "the likeliest text of each embedding (one candidate, where `watch` compares eight)",
        )
    ]
    ways = {"offline": "selective, inner", "offline, the paper's": "ward, mean"}
    ways |= {f"online {way}": f"{way}, inner" for way in ONLINE}
    for label, way in ways.items() if found else ():
        best = found[way]
        rows.append(
            Row(
                name=f"{name}, fewer decodes {label}",
                score=best.times or 0.0,
                num_items=len(streams),
                baselines={"uniform, mean": found["uniform, mean"].times or 0.0},
                unit="times",
                floor=FLOOR,
                interval=(best.low, best.high),
                protocol=f"decodes of the row above over decodes at equal CIDEr-D, {way}; 0: not reached at any rate, "
                f"as in {best.missed:.1%} of the resamples",
            )
        )
    return rows


def _cider_of(scores: Sequence[Scores], condition: Condition) -> float:
    return next(float(one.cider.mean()) for one in scores if one.condition == condition)
