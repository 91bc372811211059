"""`vljepa train RECIPE`: train a model from a corpus, from where an interrupted run of the same folder stopped."""

from argparse import ArgumentParser, Namespace
from importlib import import_module
from pathlib import Path

from vljepa.cli.options import add_json_option
from vljepa.cli.output import note, say, say_json

RECIPES = ("small", "pretrain", "finetune", "decoder")


def add_options(parser: ArgumentParser) -> None:
    """Recipe, corpus, run, and settings to change."""
    parser.add_argument("recipe", choices=RECIPES, help="which recipe")
    parser.add_argument("--corpus", type=Path, required=True, metavar="FOLDER", help="what `vljepa prepare` has built")
    parser.add_argument(
        "--run", type=Path, required=True, dest="run_folder", metavar="FOLDER", help="where the run goes"
    )
    parser.add_argument(
        "--model",
        type=Path,
        metavar="FOLDER",
        help="where to begin (default: the shipped model; pretrain: published weights)",
    )
    parser.add_argument("--kept", type=Path, metavar="FOLDER", help="finetune: older data, not to be forgotten")
    parser.add_argument(
        "--cache", type=Path, metavar="FOLDER", help="small, pretrain: packages (default: CORPUS/packages)"
    )
    parser.add_argument("--set", nargs="+", action="extend", default=[], metavar="A.B=C", help="settings to change")
    parser.add_argument("--device", default="auto", help="auto (default), cpu, cuda")
    add_json_option(parser)


def run(options: Namespace) -> int:
    """Train to the end; Ctrl-C saves what there is."""
    from vljepa.training.trainer import Interrupted

    for corpus in (options.corpus, options.kept):
        if corpus is not None and not corpus.is_dir():
            raise ValueError(f"there is no corpus {corpus}: build it with `vljepa prepare`")
    try:
        folder = _train(options)
    except Interrupted as stop:
        note(f"{stop}: the same command goes on from there")
        return 130
    if options.json:
        say_json({"model": str(folder), "run": str(options.run_folder)})
    else:
        say(f"the model is in {folder}")
    return 0


def _train(options: Namespace) -> Path:
    """The recipe's own function, with what it takes."""
    recipe = import_module(f"vljepa.recipes.{options.recipe}")
    cache = options.cache or options.corpus / "packages"
    own = {
        "small": {"cache": cache},
        "pretrain": {"model": options.model, "cache": cache},
        "finetune": {"model": options.model, "kept": options.kept},
        "decoder": {"model": options.model},
    }[options.recipe]
    folder: Path = recipe.train(
        options.corpus, options.run_folder, assignments=options.set, device=options.device, **own
    )
    return folder
