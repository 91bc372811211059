"""The figure of `evaluate small`: how often probabilities are right, before and after calibration, as PNG and SVG."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vljepa.evaluation.benchmarks.figure import drawn

_COLOURS = {"before": "#8a8a8a", "after": "#0b3c6f"}


def plot(curves: Mapping[str, Any], into: Path) -> list[Path]:
    """A report's reliability, a panel for each group; returns `into`.png and `into`.svg.

    A dot is a bin, as large as it has items. ValueError where matplotlib is missing.
    """
    groups = curves["calibration"]

    def draw(figure: Any) -> None:
        for panel, (name, ways) in zip(figure.subplots(1, len(groups), squeeze=False)[0], groups.items(), strict=True):
            panel.plot([0, 1], [0, 1], ":", color="#8a8a8a", linewidth=1)
            for way, bins in ways.items():
                told, found = ([one[key] for one in bins] for key in ("confidence", "accuracy"))
                total = sum(one["num_items"] for one in bins)
                sizes = [4 + 200 * one["num_items"] / total for one in bins]
                panel.plot(told, found, "-", color=_COLOURS[way], label=way, linewidth=1.4)
                panel.scatter(told, found, s=sizes, color=_COLOURS[way], alpha=0.6, linewidths=0)
            panel.set(xlabel="probability of what is likeliest", ylabel="how often it is right")
            panel.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
            panel.set_title(name, fontsize=9)
            panel.grid(alpha=0.25)
        panel.legend(frameon=False)

    return drawn(into, size=(3.6 * len(groups), 3.8), draw=draw)
