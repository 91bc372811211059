"""Writes what is derived: docs/cli.md from the help texts, scores in README and model card from reports/small.json.

`make docs` runs it; a contract test compares, so no number stands anywhere that a report does not hold.
"""

import contextlib
import io
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vljepa.cli.main import VERBS, main

ROOT = Path(__file__).parents[1]
REPORT = ROOT / "reports" / "small.json"
BEGIN, END = "<!-- scores: written by make docs -->", "<!-- end of scores -->"
HEAD = """# The command line

Written by `make docs` from the help texts; change those, not this file. Every verb takes `--model`, `--device` and
`--json` where they mean something. Exit status: 0 done, 2 the command or its input is wrong, 1 a mistake of ours.
"""


def help_of(*verb: str) -> str:
    """What `vljepa VERB --help` prints on a terminal of 100 columns."""
    os.environ |= {"COLUMNS": "100", "NO_COLOR": "1"}
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown):
        status = main([*verb, "--help"])
    if status:
        sys.exit(f"vljepa {' '.join(verb)} --help ended with status {status}")
    return shown.getvalue().strip()


def command_line() -> str:
    """The whole of docs/cli.md."""
    parts = [HEAD, f"```text\n{help_of()}\n```\n"]
    parts += [f"## vljepa {verb}\n\n```text\n{help_of(verb)}\n```\n" for verb in VERBS]
    return "\n".join(parts)


def score_table(report: Mapping[str, Any]) -> str:
    """Scores beside their baselines, then what selective decoding saves, then where the numbers come from."""
    lines = ["| what | score | beside it | items |", "|---|---|---|---|"]
    for row in report["rows"]:
        beside = ", ".join(f"{name} {shown(value, row['unit'])}" for name, value in row["baselines"].items())
        floor = f" (aim {shown(row['floor'], row['unit'])})" if row["floor"] is not None else ""
        score = f"**{shown(row['score'], row['unit'])}**{floor}"
        lines.append(f"| {row['name']} | {score} | {beside} | {row['num_items']} |")
    curve = report["curves"]["selective"]
    streams = f"{curve['streams']} streams of {curve['clips_a_stream']} unseen clips"
    lines += ["", f"Selective decoding, CIDEr-D on {streams}:", ""]
    lines += ["| decodes a second | " + " | ".join(f"{rate:g}" for rate in curve["rates"]) + " |"]
    lines += ["|---|" + "---|" * len(curve["rates"])]
    for policy in ("selective", "uniform"):
        lines.append(f"| {policy} | " + " | ".join(f"{value:.3g}" for value in curve[policy]) + " |")
    saving = curve["fewer_decodes_than_uniform_1_hz"]
    reached = f"{saving:g} times fewer decodes" if saving else "not reached"
    lines += ["", f"At the CIDEr-D of uniform decoding at 1 Hz: {reached} (the paper: 2.85).", ""]
    lines.append(f"From [reports/small.json](reports/small.json), made by `{report['receipt']['command']}`.")
    return "\n".join(lines)


def shown(value: float, unit: str) -> str:
    """A share as a percentage, anything else with three digits."""
    return f"{value:.1%}" if unit == "share" else f"{value:.3g}"


def between_marks(text: str, table: str) -> str:
    """The text with what stands between the marks replaced."""
    before, _, rest = text.partition(BEGIN)
    _, found, after = rest.partition(END)
    if not found:
        sys.exit(f"README.md has lost its marks {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{table}\n\n{END}{after}"


def examples_table(report: Mapping[str, Any]) -> str:
    """Captions of clips drawn at random, right and wrong alike."""
    lines = ["| true | said | fidelity |", "|---|---|---|"]
    lines += [f"| {row['true']} | {row['said']} | {row['fidelity']:.2f} |" for row in report["curves"]["examples"]]
    return "\n".join(lines)


def model_card(report: Mapping[str, Any]) -> str:
    """README.md of the shipped folder."""
    text = (ROOT / "docs" / "model_card.md").read_text()
    protocols = "\n".join(f"- {row['name']}: {row['protocol']}." for row in report["rows"])
    receipt = "\n".join(f"- {name}: {value}" for name, value in report["receipt"].items())
    table = score_table(report).replace("(reports/small.json)", "(../../../../reports/small.json)")
    for mark, content in (
        ("SCORES", table),
        ("EXAMPLES", examples_table(report)),
        ("PROTOCOLS", protocols),
        ("RECEIPT", receipt),
    ):
        text = text.replace(f"<!-- {mark} -->", content)
    return text


def written() -> dict[Path, str]:
    """Every derived file with its content."""
    report = json.loads(REPORT.read_text())
    readme = ROOT / "README.md"
    return {
        ROOT / "docs" / "cli.md": command_line(),
        readme: between_marks(readme.read_text(), score_table(report)),
        ROOT / "src" / "vljepa" / "shipped" / "small" / "README.md": model_card(report),
    }


if __name__ == "__main__":
    for path, content in written().items():
        path.write_text(content)
