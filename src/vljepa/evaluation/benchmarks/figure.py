"""Figures of reports as PNG and SVG: the same numbers give the same bytes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any


def drawn(into: Path, *, size: tuple[float, float], draw: Callable[[Any], None]) -> list[Path]:
    """An empty figure of so many inches, drawn on and kept as `into`.png and `into`.svg.

    ValueError where matplotlib is missing.
    """
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ValueError("plotting needs matplotlib: install vljepa[eval], or leave --plot out") from error
    with mpl.rc_context({"svg.hashsalt": "vljepa", "font.size": 9}):
        figure = Figure(figsize=size, layout="constrained")
        draw(figure)
        paths = [into.with_name(f"{into.name}.{suffix}") for suffix in ("png", "svg")]
        figure.savefig(paths[0], dpi=130, metadata={"Software": None})
        figure.savefig(paths[1], metadata={"Date": None, "Creator": None})
    return paths
