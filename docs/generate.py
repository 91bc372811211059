"""Writes what is derived: docs/cli.md from the help texts, the list of sets in docs/benchmarks.md from their readers,
scores in README, model card and docs/experiments.md from the reports.

`make docs` runs it; a contract test compares, so no number stands anywhere that a report does not hold.
"""

import contextlib
import io
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vljepa.cli.main import VERBS, main
from vljepa.cli.weights import ACTS
from vljepa.evaluation.report import receipt_lines

ROOT = Path(__file__).parents[1]
REPORT = ROOT / "reports" / "small.json"
TRIPLETS = ROOT / "reports" / "sugarcrepe.json"
SELECTIVE = ROOT / "reports" / "selective.json"
STATES = ROOT / "reports" / "states.json"
COMPARED = ROOT / "reports" / "compare.json"
ABLATED = ROOT / "reports" / "ablations.json"
UNFITTED = "not calibrated"
# Of the ways that `evaluate selective` compares, those that the README shows, by name.
WAYS = {
    "uniform, mean": "at even steps",
    "ward, mean": "clustered as in the paper",
    "selective, inner": "where it changes most",
    "clear, inner": "the same online",
}
HEAD = """# The command line

Written by `make docs` from the help texts; change those, not this file. Every verb takes `--model`, `--device` and
`--json` where they mean something. Exit status: 0 done, 2 the command or its input is wrong, 130 stopped,
1 a mistake of ours, a run that broke, or what `doctor` found.
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
    for verb in VERBS:
        parts.append(f"## vljepa {verb}\n\n```text\n{help_of(verb)}\n```\n")
        acts = ACTS if verb == "weights" else ()
        parts += [f"### vljepa {verb} {act}\n\n```text\n{help_of(verb, act)}\n```\n" for act in acts]
    return "\n".join(parts)


def score_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Scores beside their baselines."""
    lines = ["| what | score | beside it | items |", "|---|---|---|---|"]
    for row in rows:
        beside = ", ".join(f"{name} {shown(value, row['unit'])}" for name, value in row["baselines"].items())
        floor = f" (aim {shown(row['floor'], row['unit'])})" if row["floor"] is not None else ""
        score = f"**{shown(row['score'], row['unit'])}**{floor}"
        lines.append(f"| {row['name']} | {score} | {beside} | {row['num_items']} |")
    return "\n".join(lines)


def question_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """One line for what the questions are about: right answers by kind, and what was answered in other ways."""
    lines = ["| right answers in %, by kind | beside them, in brackets |", "|---|---|"]
    for name, some in by_group(rows).items():
        kinds = ", ".join(
            f"{row['name'].split(': ')[1]} **{100 * row['score']:.0f}** "
            f"({' / '.join(f'{100 * value:.0f}' for value in row['baselines'].values())})"
            for row in some
        )
        lines.append(f"| {name}: {kinds} | {' / '.join(some[0]['baselines'])} |")
    return "\n".join(lines)


def belief_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """How far probabilities can be believed, a line for each case; in brackets a model that was fitted to nothing."""
    groups = by_group(rows)
    heads = [row["name"].split(": ")[1] for row in next(iter(groups.values()))]
    lines = ["| probabilities of | " + " | ".join(heads) + " |", "|---|" + "---|" * len(heads)]
    for name, some in groups.items():
        cells = (
            f"**{shown(row['score'], row['unit'])}** ({shown(row['baselines'][UNFITTED], row['unit'])})" for row in some
        )
        lines.append(f"| {name} | {' | '.join(cells)} |")
    note = 'In brackets: not calibrated. False alarms: the right text is there, and "none of these" is likelier.'
    return "\n".join([*lines, "", note + " As a figure: [reports/small.png](reports/small.png)."])


def by_group(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """Rows by what stands before the colon of their names."""
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault(row["name"].split(": ")[0], []).append(row)
    return groups


def is_question(row: Mapping[str, Any]) -> bool:
    """Whether a row is one kind of questions about something; a mean over kinds is none."""
    return "questions" in row["name"] and ": " in row["name"] and ": mean of" not in row["name"]


def states_table(report: Mapping[str, Any], *, shipped: str) -> str:
    """Which of four clips leads from one picture to the other."""
    lines = ["Which of four clips of other recordings leads from one picture to the other (paper, section 4.3):", ""]
    lines += [score_table(report["rows"]), ""]
    lines += [f"From [reports/states.json](reports/states.json), made by `{report['receipt']['command']}`."]
    return "\n".join([*lines, *of_another_model(report, shipped=shipped)])


def selective_table(report: Mapping[str, Any], *, shipped: str) -> str:
    """For each set of streams, CIDEr-D at a few rates by way, and how many times fewer decodes say as much."""
    lines = []
    for name, found in report["curves"].items():
        rates = [rate for rate in found["rates"] if 0.1 <= rate <= 1]
        length = f"{found['streams']} streams, {found['minutes']:g} minutes, {found['annotations']} events"
        lines += [f"Selective decoding, CIDEr-D on {name} ({length}):", ""]
        lines += ["| decodes a second | " + " | ".join(f"{rate:g}" for rate in rates) + " | fewer decodes |"]
        lines += ["|---|" + "---|" * (len(rates) + 1)]
        for way, label in WAYS.items():
            curve = found["ways"][way]
            scores = dict(zip(curve["rate"], curve["cider"], strict=True))
            values = " | ".join(f"{scores[rate]:.3g}" for rate in rates)
            lines.append(f"| {label} | {values} | {fewer(curve.get('fewer_decodes_than_uniform_1_hz'))} |")
        lines.append("")
    lines += [
        "Fewer decodes: than uniform decoding at 1 Hz, at its CIDEr-D, with the interval of 95 in 100 draws of the",
        "streams (the paper: 2.85 times, offline; it shows none online). A draw in which no rate reaches that score",
        "counts as 0 times: an interval that begins at 0 says that this happened in more than 2.5 % of the draws.",
        "Online the rate is a limit, and fewer decodes were made. The figure:",
        "[reports/selective.png](reports/selective.png). From",
        f"[reports/selective.json](reports/selective.json), made by `{report['receipt']['command']}`.",
        *of_another_model(report, shipped=shipped),
    ]
    return "\n".join(lines)


def of_another_model(report: Mapping[str, Any], *, shipped: str) -> list[str]:
    """A sentence where a report was made with another model than the one in the box, which `shipped` names."""
    measured = report["receipt"]["model"]
    if measured == shipped:
        return []
    return [f"It was measured with an earlier model ({measured}), not with the one in the box ({shipped})."]


def fewer(saving: Mapping[str, Any] | None) -> str:
    """How many times fewer, with its interval; none where captions say too little to compare."""
    if saving is None:
        return "nothing right is said"
    low, high = saving["interval"]
    if saving["times"] is None:
        return "not reached"
    missed = f"; in {saving['missed']:.0%} not reached" if saving["missed"] else ""
    return f"**{saving['times']:.2f}** ({low:.2f} to {high:.2f}{missed})"


def shown(value: float, unit: str) -> str:
    """A share as a percentage, anything else with three digits."""
    return f"{value:.1%}" if unit == "share" else f"{value:.3g}"


def between_marks(text: str, table: str, *, name: str) -> str:
    """The text with what stands between the marks of that name replaced."""
    begin, end = f"<!-- {name}: written by make docs -->", f"<!-- end of {name} -->"
    before, _, rest = text.partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        sys.exit(f"a page has lost its marks {begin} and {end}")
    return f"{before}{begin}\n\n{table}\n\n{end}{after}"


def triplet_table(found: Mapping[str, Any]) -> str:
    """SugarCrepe++ by text encoder: what was measured here, then what the paper prints."""
    parts = [row["name"] for row in found["measured"][0]["report"]["rows"][1:]]
    lines = ["| text encoder | mean | " + " | ".join(part.replace("_", " ") for part in parts) + " |"]
    lines += ["|---|---|" + "---|" * len(parts)]
    for one in found["measured"]:
        mean, *rows = (row["score"] for row in one["report"]["rows"])
        lines.append(f"| {one['name']} | **{mean:.1%}** | " + " | ".join(f"{score:.1%}" for score in rows) + " |")
    first = found["measured"][0]["report"]["rows"]
    counted = [f"{row['baselines']['counted words']:.1%}" for row in first]
    lines.append(f"| counted words, blind to their order | {' | '.join(counted)} |")
    for one in found["paper"]:
        mean, *rows = one["scores"]
        lines.append(f"| paper: {one['name']} | {mean}% | " + " | ".join(f"{score}%" for score in rows) + " |")
    chance, number = first[0]["baselines"]["chance"], first[0]["num_items"]
    lines += ["", f"{number:,} triplets, chance {chance:.1%}, plain mean of the parts as in the paper. From"]
    lines[-1] += " [reports/sugarcrepe.json](reports/sugarcrepe.json), each made by the command in its receipt."
    return "\n".join(lines)


def sets_table() -> str:
    """Every public benchmark with its files, its settings and where people get it."""
    from vljepa.config import as_dict
    from vljepa.evaluation.sets.known import KNOWN

    lines = ["| name | task | measures | files in ROOT | settings | from |", "|---|---|---|---|---|---|"]
    for one in KNOWN.values():
        files = ", ".join(f"`{file}`" for file in one.files) or "the label list"
        settings = ", ".join(f"`{name}={value}`" for name, value in as_dict(one.settings).items() if name not in SHARED)
        lines.append(f"| `{one.name}` | {one.task} | {one.measures} | {files} | {settings} | {one.obtain} |")
    return "\n".join(lines)


SHARED = ("most_failed", "seed")


def examples_table(report: Mapping[str, Any]) -> str:
    """Captions of clips drawn at random, right and wrong alike."""
    lines = ["| true | said | fidelity |", "|---|---|---|"]
    lines += [f"| {row['true']} | {row['said']} | {row['fidelity']:.2f} |" for row in report["curves"]["examples"]]
    return "\n".join(lines)


def model_card(report: Mapping[str, Any]) -> str:
    """README.md of the shipped folder."""
    text = (ROOT / "docs" / "model_card.md").read_text().replace("](../reports/", "](../../../../reports/")
    protocols = "\n".join(f"- {row['name']}: {row['protocol']}." for row in report["rows"])
    receipt = "\n".join(receipt_lines(report["receipt"]))
    table = tables(report, whole=True).replace("(reports/", "(../../../../reports/")
    for mark, content in (
        ("SCORES", table),
        ("EXAMPLES", examples_table(report)),
        ("PROTOCOLS", protocols),
        ("RECEIPT", receipt),
    ):
        text = text.replace(f"<!-- {mark} -->", content)
    return text


def tables(report: Mapping[str, Any], *, whole: bool) -> str:
    """What the model scores, and what selective decoding spares; `whole`: questions by kind row by row, too."""
    shipped = report["receipt"]["model"]
    believed = [row for row in report["rows"] if UNFITTED in row["baselines"]]
    rows = [row for row in report["rows"] if row not in believed]
    asked = [row for row in rows if is_question(row)]
    parts = [score_table(rows)] if whole else [score_table([row for row in rows if row not in asked])]
    parts += [] if whole else [question_table(asked)]
    parts.append(belief_table(believed))
    parts.append(f"From [reports/small.json](reports/small.json), made by `{report['receipt']['command']}`.")
    parts.append(states_table(json.loads(STATES.read_text()), shipped=shipped))
    return "\n\n".join([*parts, selective_table(json.loads(SELECTIVE.read_text()), shipped=shipped)])


def comparison_tables() -> str:
    """What the controlled comparison found."""
    from vljepa.experiments.compare_table import claims_table, cost_table, curve_table, latency_table

    report = json.loads(COMPARED.read_text())
    found = report["found"]
    title = f"Seeds: {found['seeds']}. {found['training_samples']:,} clips for training, {found['items']} held out, "
    title += f"{found['labels']} names; intervals are those of 95 in 100 draws of seeds and held-out clips together."
    tables = [claims_table(report["claims"]), *(curve_table(found, score) for score in ("cider", "top5", "top1"))]
    tables += [cost_table(found), latency_table(found)]
    made = f"From [reports/compare.json](../reports/compare.json), made by `{report['receipt']['command']}`; "
    made += "all of it: [reports/compare.md](../reports/compare.md)."
    text = "\n".join([title + "\n", *tables, made])
    return text.replace("\n## ", "\n### ")


def claims_summary() -> str:
    """What the README says of the controlled comparison."""
    from vljepa.experiments.compare_table import claims_table

    report = json.loads(COMPARED.read_text())
    made = f"{report['found']['seeds']} seeds, {report['found']['items']} held-out clips. From "
    made += f"[reports/compare.json](reports/compare.json), made by `{report['receipt']['command']}`."
    return f"{claims_table(report['claims'])}\n{made}"


def ablation_table() -> str:
    """What the ablations found."""
    from vljepa.experiments.ablate_report import table

    report = json.loads(ABLATED.read_text())
    made = "From [reports/ablations.json](../reports/ablations.json), made by "
    return f"{table(report)}\n{made}`{report['receipt']['command']}`."


def written() -> dict[Path, str]:
    """Every derived file with its content."""
    report = json.loads(REPORT.read_text())
    readme = ROOT / "README.md"
    benchmarks = ROOT / "docs" / "benchmarks.md"
    experiments = ROOT / "docs" / "experiments.md"
    scored = between_marks(readme.read_text(), tables(report, whole=False), name="scores")
    scored = between_marks(scored, triplet_table(json.loads(TRIPLETS.read_text())), name="sentences")
    compared = between_marks(experiments.read_text(), comparison_tables(), name="comparison")
    return {
        ROOT / "docs" / "cli.md": command_line(),
        readme: between_marks(scored, claims_summary(), name="claims"),
        benchmarks: between_marks(benchmarks.read_text(), sets_table(), name="sets"),
        experiments: between_marks(compared, ablation_table(), name="ablations"),
        ROOT / "src" / "vljepa" / "shipped" / "small" / "README.md": model_card(report),
    }


if __name__ == "__main__":
    for path, content in written().items():
        path.write_text(content)
