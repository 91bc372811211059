"""`vljepa weights mean FOLDER FOLDER ... --into OUT`: the mean of models that began alike."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from vljepa.cli.options import add_json_option
from vljepa.cli.output import say, say_json


def add_options(parser: ArgumentParser) -> None:
    """Which models, and where the new one goes."""
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER", help="model folders")
    parser.add_argument("--into", type=Path, required=True, metavar="OUT", help="the new folder")
    add_json_option(parser)


def run(options: Namespace) -> None:
    """Write the folder, whose calibration is still to be fitted, and name it."""
    from vljepa.weights.folder import save_folder
    from vljepa.weights.mean import mean_of

    if options.into.exists():
        raise ValueError(f"{options.into} is there already: name a new folder")
    options.into.parent.mkdir(parents=True, exist_ok=True)
    bundle = mean_of(options.folders)
    save_folder(bundle, options.into, card=f"# {bundle.name}, the mean of {len(options.folders)} models\n")
    if options.json:
        say_json({"folder": str(options.into), "models": [str(folder) for folder in options.folders]})
    else:
        say(f"the mean of {len(options.folders)} models is in {options.into}; its calibration is to be fitted")
