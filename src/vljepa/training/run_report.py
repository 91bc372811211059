"""A run's folder as a page: what was measured last, and curves of everything, drawn as SVG."""

from collections import defaultdict
from pathlib import Path

from vljepa.training.record import read_metrics

WIDTH, HEIGHT, MARGIN = 640, 200, 40
BOOKKEEPING = ("stage", "step", "seconds")

Curve = list[tuple[float, float]]


def write_run_report(run: Path) -> Path:
    """`report.md` and `curves/*.svg` from `metrics.jsonl`."""
    curves: dict[str, dict[str, Curve]] = defaultdict(dict)
    for line in read_metrics(run / "metrics.jsonl"):
        for name, value in line.items():
            if name not in BOOKKEEPING:
                curves[line["stage"]].setdefault(name, []).append((float(line["step"]), float(value)))
    (run / "curves").mkdir(exist_ok=True)
    lines = ["# Run", "", "Settings: `settings.yaml`. Every measurement: `metrics.jsonl`.", ""]
    for stage, found in curves.items():
        lines += [f"## {stage}", "", "| what | first | last |", "|---|---|---|"]
        lines += [f"| {name} | {curve[0][1]:.4g} | {curve[-1][1]:.4g} |" for name, curve in found.items()]
        lines.append("")
        for name, curve in found.items():
            (run / "curves" / f"{stage}-{name}.svg").write_text(svg_from_curve(curve, title=f"{stage}: {name}"))
            lines.append(f"![{stage}: {name}](curves/{stage}-{name}.svg)")
        lines.append("")
    report = run / "report.md"
    report.write_text("\n".join(lines))
    return report


def svg_from_curve(curve: Curve, *, title: str) -> str:
    """One line over steps, with its extremes written at the axes."""
    steps, values = zip(*curve, strict=True)
    low, high = min(values), max(values)
    across, up = max(steps[-1] - steps[0], 1), max(high - low, 1e-12)
    points = " ".join(
        f"{MARGIN + (step - steps[0]) / across * (WIDTH - 2 * MARGIN):.1f},"
        f"{HEIGHT - MARGIN - (value - low) / up * (HEIGHT - 2 * MARGIN):.1f}"
        for step, value in curve
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="sans-serif" font-size="12">'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>'
        f'<text x="{MARGIN}" y="20">{title}</text>'
        f'<text x="2" y="{MARGIN + 4}">{high:.3g}</text><text x="2" y="{HEIGHT - MARGIN}">{low:.3g}</text>'
        f'<text x="{MARGIN}" y="{HEIGHT - 12}">step {steps[0]}</text>'
        f'<text x="{WIDTH - MARGIN - 50}" y="{HEIGHT - 12}">step {steps[-1]}</text>'
        f'<polyline fill="none" stroke="#2266aa" stroke-width="1.5" points="{points}"/></svg>'
    )
