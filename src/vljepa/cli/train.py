"""`vljepa train small`: train a model from a corpus, from where an interrupted run of the same folder stopped."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from vljepa.cli.options import add_json_option
from vljepa.cli.output import note, say, say_json


def add_options(parser: ArgumentParser) -> None:
    """Recipe, corpus, run, and settings to change."""
    parser.add_argument("recipe", choices=("small",), help="which recipe")
    parser.add_argument("--corpus", type=Path, required=True, metavar="FOLDER", help="what `vljepa prepare` has built")
    parser.add_argument(
        "--run", type=Path, required=True, dest="run_folder", metavar="FOLDER", help="where the run goes"
    )
    parser.add_argument("--cache", type=Path, metavar="FOLDER", help="downloaded packages (default: CORPUS/packages)")
    parser.add_argument("--set", nargs="+", action="extend", default=[], metavar="A.B=C", help="settings to change")
    parser.add_argument("--device", default="auto", help="auto (default), cpu, cuda")
    add_json_option(parser)


def run(options: Namespace) -> int:
    """Train to the end; Ctrl-C saves what there is."""
    from vljepa.recipes.small import train
    from vljepa.training.trainer import Interrupted

    if not options.corpus.is_dir():
        raise ValueError(f"there is no corpus {options.corpus}: build it with `vljepa prepare small-corpus`")
    cache = options.cache or options.corpus / "packages"
    try:
        folder = train(options.corpus, options.run_folder, cache=cache, assignments=options.set, device=options.device)
    except Interrupted as stop:
        note(f"{stop}: the same command goes on from there")
        return 130
    if options.json:
        say_json({"model": str(folder), "run": str(options.run_folder)})
    else:
        say(f"the model is in {folder}")
    return 0
