"""`vljepa ablate`: one thing changed at a time, as in the paper's Table 7, and more."""

from argparse import ArgumentParser, Namespace

from vljepa.cli.compare import add_experiment_options, carried_out, check, command
from vljepa.cli.output import say, say_json, write_whole


def add_options(parser: ArgumentParser) -> None:
    """Which groups, on what, how long."""
    parser.add_argument(
        "--groups", nargs="+", default=[], metavar="NAME", help="only these groups (default: all; --list names them)"
    )
    parser.add_argument("--list", action="store_true", dest="list_them", help="name the groups that there are")
    add_experiment_options(parser, seeds=2)


def run(options: Namespace) -> int:
    """Train what is missing, then write ablations.json and ablations.md."""
    if options.list_them:
        return _list(as_json=options.json)
    check(options)
    from vljepa.config import as_dict
    from vljepa.experiments.ablate import ablate
    from vljepa.experiments.ablate_report import ablations, chance, page
    from vljepa.experiments.cells import write
    from vljepa.experiments.receipts import receipt_of

    ended = carried_out(ablate, options, groups=options.groups)
    if ended is None:
        return 130
    settings, ground, found = ended
    asked = command("ablate", options) + (" --groups " + " ".join(options.groups) if options.groups else "")
    report = {
        "rows": ablations(found),
        "chance": chance(ground),
        "steps": settings.steps,
        "seeds": settings.seeds,
        "settings": as_dict(settings),
        "receipt": receipt_of(asked, ground, seeds=settings.seeds),
    }
    write(options.into / "ablations.json", report)
    write_whole(options.into / "ablations.md", page(report).encode())
    if options.json:
        say_json(report)
    else:
        say(page(report))
    return 0


def _list(*, as_json: bool) -> int:
    from vljepa.experiments.ablations import GROUPS

    if as_json:
        say_json({"groups": [{"name": name, "about": group.about} for name, group in GROUPS.items()]})
        return 0
    for name, group in GROUPS.items():
        say(f"{name}: {', '.join(variant.name for variant in group.variants)} ({group.about})")
    return 0
