"""What a comparison found, made from its cells' records alone: curves with intervals, levels reached, costs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from jaxtyping import Float

from vljepa.evaluation.metrics import Interval
from vljepa.experiments.cells import Outcome
from vljepa.experiments.compare import ARMS, CompareSettings
from vljepa.experiments.ground import Ground
from vljepa.experiments.intervals import around, interval, reached, redrawn
from vljepa.experiments.settings import Arm

Values = Float[np.ndarray, "seed item"]
# The scores, each a function of a checkpoint's record that gives a number an item.
SCORES: Mapping[str, Callable[[Mapping[str, Any]], list[float]]] = {
    "cider": lambda point: [float(value) for value in point["cider"]],
    "top5": lambda point: [float(rank <= 5) for rank in point["label_ranks"]],
    "top1": lambda point: [float(rank <= 1) for rank in point["label_ranks"]],
}
NAMES = {"vl-jepa": "VL-JEPA", "vlm": "token VLM, whole", "vlm-equal": "token VLM, equal parameters"}
TITLES = {"cider": "CIDEr-D", "top5": "top-5", "top1": "top-1"}
ASKED_RATIO, ASKED_SHARE = 1.5, 1 / 3


class UnequalArmsError(ValueError):
    """Arms that were not given the same rows in the same order: nothing can be compared."""


def comparison(settings: CompareSettings, ground: Ground, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """All figures, as plain values. UnequalArmsError where the arms of a seed saw different rows."""
    check_orders(outcomes)
    arms = {arm: [one for one in outcomes if one.cell.arm == arm] for arm in ARMS}
    scores = {name: extract for name, extract in SCORES.items() if _has(outcomes, name)}
    found = {arm: _arm(runs, scores) for arm, runs in arms.items()}
    return {
        "samples": [point["samples"] for point in outcomes[0].points],
        "seeds": settings.seeds,
        "items": len(ground.items),
        "labels": len(ground.labels),
        "training_samples": len(ground.training_texts),
        "chance": _chance(ground),
        "arms": found,
        "against": {
            arm: _against(
                arms["vl-jepa"], arms[arm], scores, seconds=(found["vl-jepa"]["cpu_seconds"], found[arm]["cpu_seconds"])
            )
            for arm in ("vlm", "vlm-equal")
        },
    }


def check_orders(outcomes: Sequence[Outcome]) -> None:
    """UnequalArmsError unless the arms of each seed had the same rows up to each checkpoint, and seeds had others."""
    by_seed: dict[int, set[tuple[str, ...]]] = {}
    for one in outcomes:
        by_seed.setdefault(one.cell.seed, set()).add(tuple(point["order"] for point in one.points))
    unlike = [seed for seed, orders in by_seed.items() if len(orders) > 1]
    if unlike:
        raise UnequalArmsError(f"the arms of seed {unlike[0]} were not trained on the same rows in the same order")


def _has(outcomes: Sequence[Outcome], name: str) -> bool:
    wanted = "cider" if name == "cider" else "label_ranks"
    return all(wanted in point for one in outcomes for point in one.points)


def values_of(runs: Sequence[Outcome], place: int, extract: Callable[[Mapping[str, Any]], list[float]]) -> Values:
    """A score at a checkpoint, by seed and item."""
    return np.array([extract(run.points[place]) for run in runs])


def _arm(runs: Sequence[Outcome], scores: Mapping[str, Callable[[Mapping[str, Any]], list[float]]]) -> dict[str, Any]:
    places = range(len(runs[0].points))
    curves = {
        name: [asdict(interval(values_of(runs, place, extract))) for place in places]
        for name, extract in scores.items()
    }
    ends = [run.points[-1] for run in runs]
    decoder = next((run.whole["decoder"] for run in runs if run.whole.get("decoder")), None)
    found: dict[str, Any] = {
        "trainable": runs[0].whole["trainable"],
        "parameters": runs[0].whole["parameters"],
        "curves": curves,
        "each_seed": {
            name: [[float(value) for value in values_of(runs, place, extract).mean(1)] for place in places]
            for name, extract in scores.items()
        },
        "cpu_seconds": [_mean(run.points[place]["cpu_seconds"] for run in runs) for place in places],
        "seconds": [_mean(run.points[place]["seconds"] for run in runs) for place in places],
        "scoring_cpu_seconds": _mean(sum(point["scoring_cpu_seconds"] for point in run.points) for run in runs),
        "latency": {
            part: float(np.median([run.whole["latency"][part] for run in runs])) for part in runs[0].whole["latency"]
        },
        "decoder": decoder,
    }
    if "top1" in scores:
        even = np.array([end["even_label_ranks"] for end in ends])
        found["even"] = {"top5": asdict(interval(even <= 5)), "top1": asdict(interval(even <= 1))}
    if "cider" in scores:
        if all("own_decoder" in run.whole for run in runs):
            found["own_decoder"] = _own_decoder(runs)
        found["cider_without_looking"] = _mean(_mean(end["cider_of_others"]) for end in ends)
        found["examples"] = ends[0]["captions"][:6]
        found["different_captions"] = _mean(len(set(end["captions"])) / len(end["captions"]) for end in ends)
    return found


def _own_decoder(runs: Sequence[Outcome]) -> dict[str, Any]:
    """Captions at the end by decoders that learned from each run's own predictions, and what they took."""
    own = [run.whole["own_decoder"] for run in runs]
    costs = {name: _mean(one["cost"][name] for one in own) for name in own[0]["cost"]}
    return {"cider": asdict(interval(np.array([one["cider"] for one in own]))), **costs}


def _against(
    ours: Sequence[Outcome],
    theirs: Sequence[Outcome],
    scores: Mapping[str, Callable[[Mapping[str, Any]], list[float]]],
    *,
    seconds: tuple[Sequence[float], Sequence[float]],
) -> dict[str, Any]:
    """VL-JEPA against one arm: differences at each checkpoint, the ratio at the end, what its levels take."""
    samples = [point["samples"] for point in ours[0].points]
    places = range(len(samples))
    found: dict[str, Any] = {}
    for name, extract in scores.items():
        mine, others = ([values_of(runs, place, extract) for place in places] for runs in (ours, theirs))
        draws = [[redrawn(values) for values in side] for side in (mine, others)]
        curve = [float(values.mean()) for values in mine]
        levels = [float(values.mean()) for values in others]
        found[name] = {
            "difference": [asdict(interval(a - b)) for a, b in zip(mine, others, strict=True)],
            "ratio_at_end": asdict(_ratio(curve[-1], levels[-1], draws[0][-1], draws[1][-1])),
            "reached": [
                {"level": level, "theirs": number, "ours": reached(samples, curve, level)}
                for number, level in zip(samples, levels, strict=True)
            ],
            "share_of_samples": _share(samples, samples, curve, levels, draws),
            "share_of_cpu_seconds": _share(*seconds, curve, levels, draws),
        }
    if "cider" in scores and all("own_decoder" in run.whole for run in ours):
        own = np.array([run.whole["own_decoder"]["cider"] for run in ours])
        said = values_of(theirs, -1, SCORES["cider"])
        ratio = _ratio(float(own.mean()), float(said.mean()), redrawn(own), redrawn(said))
        found["cider"]["ratio_with_own_decoder"] = asdict(ratio)
    return found


def _ratio(mine: float, other: float, my_draws: Values, other_draws: Values) -> Interval:
    tiny = 1e-9
    return around(mine / max(other, tiny), my_draws / np.maximum(other_draws, tiny))


def _share(
    spent: Sequence[float],
    they_spent: Sequence[float],
    curve: Sequence[float],
    levels: Sequence[float],
    draws: Sequence[Sequence[Values]],
) -> dict[str, Any]:
    """With which share of what the other spent (samples, seconds) its best level is reached.

    `missed`: share of draws that never reach it. The other's: what it had spent itself when it first was there.
    """

    def share(own: Sequence[float], theirs: Sequence[float]) -> float | None:
        level = max(theirs)
        took, need = they_spent[list(theirs).index(level)], reached(spent, own, level)
        return None if need is None else need / took

    mine, others = draws
    drawn = [share([a[k] for a in mine], [b[k] for b in others]) for k in range(len(mine[0]))]
    known = [value for value in drawn if value is not None]
    return {
        "share": share(curve, levels),
        "interval": [float(value) for value in np.quantile(known, [0.025, 0.975])] if known else None,
        "missed": 1 - len(known) / len(drawn),
    }


def claims(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What was expected of the comparison (the issue's and the paper's claims), and whether it holds here."""
    rows = []
    whole = found["against"]["vlm"]
    for name in ("cider", "top5"):
        if name in whole:
            ahead = [one["mean"] > 0 for one in whole[name]["difference"][1:]]
            sure = [one["low"] > 0 for one in whole[name]["difference"][1:]]
            rows.append(
                {
                    "claim": f"ahead in {TITLES[name]} at every checkpoint after the first",
                    "holds": all(ahead),
                    "found": f"{sum(ahead)} of {len(ahead)}, {sum(sure)} beyond the interval",
                }
            )
    if "cider" in whole:
        ratio = whole["cider"]["ratio_at_end"]
        rows.append(_times(ratio, "at the end"))
        if "ratio_with_own_decoder" in whole["cider"]:
            ratio = whole["cider"]["ratio_with_own_decoder"]
            rows.append(_times(ratio, "at the end, with a Y-Decoder that then learned from its predictions"))
        rows.append(_third("samples", whole["cider"]["share_of_samples"]))
        rows.append(
            _third("CPU seconds of training, the Y-Decoder's not counted", whole["cider"]["share_of_cpu_seconds"])
        )
    arms: Mapping[Arm, Any] = found["arms"]
    part = arms["vl-jepa"]["trainable"] / arms["vlm"]["trainable"]
    rows.append({"claim": "half the trainable parameters", "holds": part <= 0.6, "found": f"{part:.2f} of them"})
    return rows


def _times(ratio: Mapping[str, float], when: str) -> dict[str, Any]:
    shown = f"{ratio['mean']:.2f} ({ratio['low']:.2f} to {ratio['high']:.2f}) times"
    held = ratio["mean"] >= ASKED_RATIO
    return {"claim": f"at least {ASKED_RATIO:g} times its CIDEr-D {when}", "holds": held, "found": shown}


def _third(spent: str, share: Mapping[str, Any]) -> dict[str, Any]:
    held = share["share"] is not None and share["share"] <= ASKED_SHARE
    shown = "not reached" if share["share"] is None else f"{share['share']:.2f} of them"
    if share["interval"]:
        shown += f" ({share['interval'][0]:.2f} to {share['interval'][1]:.2f}; missed in {share['missed']:.0%})"
    return {"claim": f"its best CIDEr-D with at most a third of the {spent}", "holds": held, "found": shown}


def _chance(ground: Ground) -> dict[str, float]:
    """What guessing earns, and naming every clip alike after the most frequent name."""
    names = [item.label for item in ground.items if item.label]
    count = max(len(ground.labels), 1)
    usual = max((names.count(name) for name in ground.labels), default=0) / max(len(names), 1)
    return {"top1": 1 / count, "top5": min(1.0, 5 / count), "most_frequent": usual}


def _mean(values: Any) -> float:
    return round(float(np.mean(list(values))), 4)
