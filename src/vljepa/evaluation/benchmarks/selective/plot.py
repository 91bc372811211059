"""The figure of `evaluate selective`: CIDEr-D, coverage and boundaries over decodes a second, as PNG and SVG."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vljepa.evaluation.benchmarks.figure import drawn

_PANELS = (("cider", "CIDEr-D"), ("coverage", "coverage (cosine)"), ("boundary_f1", "boundary F1"))
_COLOURS = {
    "selective": "#0b3c6f",
    "ward": "#4d9fd6",
    "uniform": "#8a8a8a",
    "clear": "#b3261e",
    "cluster": "#e39a3b",
    "change": "#2f8f4e",
    "variance": "#8659a8",
}
# Of the others the bands would lie over each other.
_WITH_INTERVALS = ("selective, inner", "clear, inner", "uniform, mean")


def plot(curves: Mapping[str, Any], into: Path) -> list[Path]:
    """Draw a report's curves, a line of panels for each set of streams; returns `into`.png and `into`.svg.

    Solid lines decode a mean over a segment, dashed ones a single window. ValueError where matplotlib is missing.
    """

    def draw(figure: Any) -> None:
        grid = figure.subplots(len(curves), len(_PANELS), squeeze=False)
        for axes, (name, found) in zip(grid, curves.items(), strict=True):
            for panel, (score, label) in zip(axes, _PANELS, strict=True):
                _draw(panel, found["ways"], score)
                panel.set(xscale="log", xlabel="decodes a second", ylabel=label)
                panel.set_title(f"{name}: {found['streams']} streams, {found['minutes']:g} min", fontsize=9)
                panel.grid(alpha=0.25)
        handles, labels = grid[0][0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside right center", frameon=False)

    return drawn(into, size=(13.0, 3.6 * len(curves)), draw=draw)


def _draw(panel: Any, ways: Mapping[str, Any], score: str) -> None:
    for name, curve in ways.items():
        way, _, averaging = name.partition(", ")
        if way not in _COLOURS or None in curve[score]:
            continue
        style = "--" if averaging == "exact" else "-"
        seconds = curve["decodes_per_second"]
        panel.plot(seconds, curve[score], style, color=_COLOURS[way], label=name, linewidth=1.6, marker=".")
        if score == "cider" and name in _WITH_INTERVALS:
            low, high = zip(*curve["cider_interval"], strict=True)
            panel.fill_between(seconds, low, high, color=_COLOURS[way], alpha=0.12, linewidth=0)
