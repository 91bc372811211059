"""One table of all ablations, made from their cells' records alone, with the paper's numbers beside ours."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from jaxtyping import Float

from vljepa.evaluation.report import receipt_lines
from vljepa.experiments.ablations import GROUPS
from vljepa.experiments.cells import Outcome
from vljepa.experiments.ground import Ground
from vljepa.experiments.intervals import interval

Values = Float[np.ndarray, "seed item"]
Extract = Callable[[Outcome], list[float] | None]


def _ranks(name: str) -> Extract:
    return lambda run: [float(rank == 1) for rank in run.points[-1][name]] if name in run.points[-1] else None


def _answers(run: Outcome) -> list[float] | None:
    found = run.points[-1].get("answers")
    return [float(one["right"]) for one in found] if found else None


def _said(run: Outcome) -> list[float] | None:
    own = run.whole.get("own_decoder")
    return [float(value) for value in own["cider"]] if own else None


SCORES: Mapping[str, Extract] = {
    "top-1": _ranks("label_ranks"),
    "R@1": _ranks("caption_ranks"),
    "answers": _answers,
    "CIDEr-D": _said,
}


def ablations(found: Mapping[str, Mapping[str, Sequence[Outcome]]]) -> list[dict[str, Any]]:
    """A row a variant: each score with its interval, and how far from the group's first one, paired."""
    rows = []
    for name, variants in found.items():
        group, first = GROUPS[name], next(iter(variants.values()))
        printed = {variant.name: variant.paper for variant in group.variants}
        for variant, runs in variants.items():
            scores = {}
            for score, extract in SCORES.items():
                values, usual = _values(runs, extract), _values(first, extract)
                if values is not None and usual is not None:
                    scores[score] = {"value": asdict(interval(values)), "against": asdict(interval(values - usual))}
            rows.append(
                {
                    "group": name,
                    "letter": group.letter,
                    "about": group.about,
                    "variant": variant,
                    "trainable": runs[0].whole["trainable"],
                    "cpu_seconds": round(float(np.mean([run.points[-1]["cpu_seconds"] for run in runs])), 1),
                    "scores": scores,
                    "paper": printed[variant],
                }
            )
    return rows


def _values(runs: Sequence[Outcome], extract: Extract) -> Values | None:
    rows = [extract(run) for run in runs]
    return None if any(row is None for row in rows) else np.array(rows)


def chance(ground: Ground) -> dict[str, float]:
    """What guessing earns in each score that can be guessed."""
    questions = [one for item in ground.items for one in item.questions if len(one.candidates) > 1]
    return {
        "top-1": 1 / max(len(ground.labels), 1),
        "R@1": 1 / len(ground.items),
        "answers": sum(1 / len(one.candidates) for one in questions) / max(len(questions), 1),
    }


def page(report: Mapping[str, Any]) -> str:
    """The table, what its groups are, and its receipt as Markdown."""
    lines = ["# Ablations\n", table(report), "Groups:", ""]
    lines += [f"- {name}: {about}" for name, about in {row["group"]: row["about"] for row in report["rows"]}.items()]
    lines += ["", "## Receipt", "", *receipt_lines(report["receipt"])]
    return "\n".join(lines) + "\n"


def table(report: Mapping[str, Any]) -> str:
    """A row a variant, below a line that says how it is read."""
    shown = [score for score in SCORES if any(score in row["scores"] for row in report["rows"])]
    guessed = ", ".join(f"{score} {value:.1%}" for score, value in report["chance"].items() if score in shown)
    lines = [
        f"{report['seeds']} seeds of {report['steps']} steps. Below each score: the difference to the group's first "
        "row, with the interval of 95 in 100 draws of seeds and held-out samples together; **bold** where it lies "
        "beyond zero. The paper's columns: classification / retrieval / VQA, percent, on other data. Chance: "
        f"{guessed}.\n",
        "| group | variant | " + " | ".join(shown) + " | paper | trainable |",
        "|---|---|" + "---|" * (len(shown) + 2),
    ]
    for row in report["rows"]:
        name = f"{row['letter']} {row['group']}".strip()
        cells = [_cell(row["scores"].get(score), score) for score in shown]
        paper = " / ".join(f"{value:.1f}" for value in row["paper"]) if row["paper"] else ""
        lines.append(f"| {name} | {row['variant']} | {' | '.join(cells)} | {paper} | {row['trainable'] / 1e6:.2f} M |")
    return "\n".join(lines) + "\n"


def _cell(one: Mapping[str, Any] | None, score: str) -> str:
    if one is None:
        return ""
    value, against = one["value"], one["against"]

    def shown(number: float) -> str:
        return f"{number:.3f}" if score == "CIDEr-D" else f"{number:.1%}"

    text = f"{shown(value['mean'])} ({shown(value['low'])} to {shown(value['high'])})"
    if against["mean"] == against["low"] == against["high"] == 0:
        return text
    sign = "+" if against["mean"] >= 0 else ""
    beyond = against["low"] > 0 or against["high"] < 0
    change = f"{sign}{shown(against['mean'])} ({shown(against['low'])} to {shown(against['high'])})"
    return f"{text}<br>{f'**{change}**' if beyond else change}"
