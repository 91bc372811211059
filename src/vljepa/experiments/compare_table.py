"""A comparison as a page of Markdown and as a figure; both show what `comparison` found and compute nothing."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vljepa.evaluation.report import receipt_lines
from vljepa.experiments.compare_report import NAMES, TITLES

_COLOURS = {"vl-jepa": "#0b3c6f", "vlm": "#b3261e", "vlm-equal": "#e39a3b"}


def page(report: Mapping[str, Any]) -> str:
    """The report as Markdown: claims, curves, cost, latency, what is said, receipt."""
    found = report["found"]
    parts = [
        "# Predicting embeddings against predicting tokens\n",
        f"Seeds: {found['seeds']}. {found['training_samples']:,} training samples, {found['items']} held-out samples, "
        f"{found['labels']} names. Intervals: 95 of 100 draws of seeds and held-out samples together.\n",
        claims_table(report["claims"]),
        *(curve_table(found, score) for score in TITLES if score in found["arms"]["vl-jepa"]["curves"]),
        reached_table(found),
        cost_table(found),
        latency_table(found),
        examples_table(found),
        "\n".join(["## Receipt\n", *receipt_lines(report["receipt"])]) + "\n",
    ]
    return "\n".join(parts)


def claims_table(claims: list[Mapping[str, Any]]) -> str:
    """What was expected, and whether it holds."""
    lines = ["| VL-JEPA against the whole token VLM | holds | found |", "|---|---|---|"]
    lines += [f"| {one['claim']} | {'yes' if one['holds'] else '**no**'} | {one['found']} |" for one in claims]
    return "\n".join(lines) + "\n"


def curve_table(found: Mapping[str, Any], score: str) -> str:
    """A score by checkpoint and arm."""
    lines = [f"## {TITLES[score]}\n", "| samples | " + " | ".join(NAMES[arm] for arm in found["arms"]) + " |"]
    lines.append("|---|" + "---|" * len(found["arms"]))
    for place, samples in enumerate(found["samples"]):
        cells = [shown(arm["curves"][score][place], score) for arm in found["arms"].values()]
        lines.append(f"| {samples:,} | " + " | ".join(cells) + " |")
    if score == "cider":
        without = [f"{arm['cider_without_looking']:.3f}" for arm in found["arms"].values()]
        lines.append("| the last, against other clips' references | " + " | ".join(without) + " |")
        own = [arm.get("own_decoder") for arm in found["arms"].values()]
        said = [shown(one["cider"], score) if one else "" for one in own]
        if any(said):
            lines.append("| the last, by a Y-Decoder that learned from its predictions | " + " | ".join(said) + " |")
    else:
        even = [shown(arm["even"][score], score) for arm in found["arms"].values()]
        lines.append("| the last, each name's mean over all clips taken off | " + " | ".join(even) + " |")
        chance = found["chance"]
        beside = f"Chance: {chance[score]:.1%}"
        beside += f"; the most frequent name for all: {chance['most_frequent']:.1%}" if score == "top1" else ""
        lines += ["", beside + "."]
    return "\n".join(lines) + "\n"


def shown(value: Mapping[str, float], score: str) -> str:
    """A mean with its interval."""
    low, mean, high = value["low"], value["mean"], value["high"]
    if score == "cider":
        return f"**{mean:.3f}** ({low:.3f} to {high:.3f})"
    return f"**{mean:.1%}** ({low:.1%} to {high:.1%})"


def reached_table(found: Mapping[str, Any]) -> str:
    """With how many samples VL-JEPA is where the other arm is at each checkpoint."""
    lines = ["## Samples to reach each level of the token VLM\n"]
    for arm, scores in found["against"].items():
        lines += [f"{NAMES[arm]}:\n", "| score | level | its samples | VL-JEPA's | share |", "|---|---|---|---|---|"]
        for score, one in scores.items():
            for row in one["reached"]:
                level = f"{row['level']:.3f}" if score == "cider" else f"{row['level']:.1%}"
                ours = "not reached" if row["ours"] is None else f"{row['ours']:,.0f}"
                share = "" if row["ours"] is None else f"{row['ours'] / row['theirs']:.2f}"
                lines.append(f"| {TITLES[score]} | {level} | {row['theirs']:,} | {ours} | {share} |")
        lines.append("")
    lines.append("A level below the first checkpoint's score counts as reached with that checkpoint's samples.")
    return "\n".join(lines) + "\n"


def cost_table(found: Mapping[str, Any]) -> str:
    """Parameters and seconds, with the Y-Decoder and without."""
    head = "| arm | trainable parameters | all | CPU seconds of training | seconds by the clock | of scoring |"
    lines = ["## Cost\n", head, "|---|---|---|---|---|---|"]
    for arm, one in found["arms"].items():
        lines.append(_cost_line(NAMES[arm], one["trainable"], one["parameters"], one))
    decoder = found["arms"]["vl-jepa"]["decoder"]
    if decoder:
        together = found["arms"]["vl-jepa"]
        both = together["trainable"] + decoder["trainable"]
        seconds = together["cpu_seconds"][-1] + decoder["cpu_seconds"]
        lines += [
            f"| VL-JEPA with its Y-Decoder | {both / 1e6:.2f} M | | {seconds:,.0f} | "
            f"{together['seconds'][-1] + decoder['seconds']:,.0f} | |",
            "",
            f"The Y-Decoder ({decoder['trainable'] / 1e6:.2f} M parameters) learned once for all seeds, from "
            f"{decoder['texts']:,} draws of the corpus's training texts and no clip, in {decoder['cpu_seconds']:,.0f} "
            "CPU seconds; naming needs none of it. The paper counts neither (its target space came with a decoder). "
            "CPU seconds are those of one core, a proxy of energy.",
        ]
    own = found["arms"]["vl-jepa"].get("own_decoder")
    if own:
        lines += [
            "",
            f"The Y-Decoder that learns from a run's own predictions saw {own['texts']:,.0f} rows after it, in "
            f"{own['cpu_seconds']:,.0f} CPU seconds.",
        ]
    return "\n".join(lines) + "\n"


def _cost_line(name: str, trainable: int, parameters: int, one: Mapping[str, Any]) -> str:
    return (
        f"| {name} | {trainable / 1e6:.2f} M | {parameters / 1e6:.2f} M | {one['cpu_seconds'][-1]:,.0f} | "
        f"{one['seconds'][-1]:,.0f} | {one['scoring_cpu_seconds']:,.0f} |"
    )


def latency_table(found: Mapping[str, Any]) -> str:
    """Milliseconds of one clip by part."""
    lines = ["## Latency\n", "| arm | " + "part, CPU milliseconds of one clip |", "|---|---|"]
    for arm, one in found["arms"].items():
        parts = dict(one["latency"])
        tokens = parts.pop("tokens", None)
        told = ", ".join(f"{name.replace('_', ' ')} {value:.1f}" for name, value in parts.items())
        said = f"; {tokens:.0f} tokens said" if tokens is not None else ""
        lines.append(f"| {NAMES[arm]} | {told}; together {sum(parts.values()):.1f}{said} |")
    paper = "The paper's, on hardware that it does not state: query 16 ms, encoder and Predictor 126, decoding 203; "
    lines += ["", paper + "the token VLM 330."]
    return "\n".join(lines) + "\n"


def examples_table(found: Mapping[str, Any]) -> str:
    """What each arm says of the same clips."""
    if "examples" not in found["arms"]["vl-jepa"]:
        return ""
    lines = ["## What is said at the end\n", "| " + " | ".join(NAMES[arm] for arm in found["arms"]) + " |"]
    lines.append("|---|" + "---|" * (len(found["arms"]) - 1))
    columns = [one["examples"] for one in found["arms"].values()]
    lines += ["| " + " | ".join(row) + " |" for row in zip(*columns, strict=True)]
    shares = [f"{NAMES[arm]} {one['different_captions']:.0%}" for arm, one in found["arms"].items()]
    return "\n".join(lines) + f"\n\nCaptions that differ from each other: {', '.join(shares)}.\n"


def plot(found: Mapping[str, Any], into: Path) -> list[Path]:
    """The curves over samples, with intervals, and CIDEr-D over CPU seconds; `into`.png and `into`.svg."""
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ValueError("the figure needs matplotlib: install vljepa[eval]") from error
    scores = [score for score in TITLES if score in found["arms"]["vl-jepa"]["curves"]]
    with mpl.rc_context({"svg.hashsalt": "vljepa", "font.size": 9}):
        figure = Figure(figsize=(3.7 * (len(scores) + 1), 3.6), layout="constrained")
        *panels, cost = figure.subplots(1, len(scores) + 1, squeeze=False)[0]
        for panel, score in zip(panels, scores, strict=True):
            for arm, one in found["arms"].items():
                _draw(panel, found["samples"], one["curves"][score], arm)
                for seed in zip(*one["each_seed"][score], strict=True):
                    panel.plot(found["samples"], seed, color=_COLOURS[arm], linewidth=0.5, alpha=0.5)
            panel.set(xlabel="samples seen", ylabel=TITLES[score], ylim=(0, None))
            if score in found["chance"]:
                panel.axhline(found["chance"][score], color="#8a8a8a", linestyle=":", linewidth=1)
        for arm, one in found["arms"].items():
            _draw(cost, one["cpu_seconds"], one["curves"][scores[0]], arm)
        cost.set(xlabel="CPU seconds of training (without the Y-Decoder's)", ylabel=TITLES[scores[0]], ylim=(0, None))
        for panel in (*panels, cost):
            panel.grid(alpha=0.25)
        handles, labels = cost.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
        paths = [into.with_name(f"{into.name}.{suffix}") for suffix in ("png", "svg")]
        figure.savefig(paths[0], dpi=130, metadata={"Software": None})
        figure.savefig(paths[1], metadata={"Date": None, "Creator": None})
    return paths


def _draw(panel: Any, across: Any, curve: Any, arm: str) -> None:
    panel.plot(across, [one["mean"] for one in curve], ".-", color=_COLOURS[arm], label=NAMES[arm], linewidth=1.8)
    low, high = ([one[end] for one in curve] for end in ("low", "high"))
    panel.fill_between(across, low, high, color=_COLOURS[arm], alpha=0.13, linewidth=0)
