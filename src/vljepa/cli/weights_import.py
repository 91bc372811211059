"""`vljepa weights import KIND SOURCE --into FOLDER`: published weights into a model folder."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from vljepa.cli.options import add_json_option
from vljepa.cli.output import note, say, say_json

KINDS = ("paper", "open", "parts", "open-vljepa", "saivishwak")


def add_options(parser: ArgumentParser) -> None:
    """What it is, where its parts lie, and what is to be made of them."""
    parser.add_argument("kind", choices=KINDS, help="what is to be made, or what the source is: see weights list")
    parser.add_argument(
        "source",
        nargs="?",
        default="",
        metavar="SOURCE",
        help="file, folder or USER/NAME[@REVISION] of the hub: the vision encoder (also a .pt of V-JEPA 2 or 2.1), "
        "of whole models their checkpoint",
    )
    parser.add_argument("--into", type=Path, required=True, metavar="FOLDER", help="the new model folder")
    for part, told in (
        ("x-encoder", "the vision encoder of a whole model"),
        ("predictor", "the Llama-type language model whose last layers the Predictor begins from"),
        ("y-encoder", "the text encoder"),
    ):
        parser.add_argument(f"--{part}", default="", metavar="SOURCE", help=told)
    made = parser.add_argument_group("what is made")
    made.add_argument("--layers", type=int, default=0, metavar="N", help="parts: so many last layers (half of all)")
    made.add_argument("--shared", type=int, default=0, metavar="N", help="parts: dimensions of an embedding")
    made.add_argument("--dense", action="store_true", help="parts: keep EmbeddingGemma's own two linear heads")
    made.add_argument("--resolution", type=int, metavar="N", help="side of the frames, where a .pt does not say it")
    made.add_argument("--prompt", default="", metavar="P", help="what stands before every target text")
    made.add_argument("--frames", type=int, default=8, metavar="N", help="frames of a clip (8)")
    made.add_argument("--name", default="", metavar="NAME", help="what to call the model (its kind)")
    made.add_argument("--seed", type=int, default=0, metavar="N", help="of the projections and heads that are new (0)")
    made.add_argument(
        "--decoder",
        choices=("new", "none"),
        default="",
        help="new: a Y-Decoder begins from layers of the language model, to be trained (paper, open, parts); "
        "none: without one, also where saivishwak has its own",
    )
    parser.add_argument("--offline", action="store_true", help="only what was fetched before, as with HF_HUB_OFFLINE=1")
    add_json_option(parser)


def run(options: Namespace) -> None:
    """Read everything, then write the folder."""
    from dataclasses import fields

    from vljepa.weights.importing import ImportSettings, import_weights

    for name in ("layers", "shared"):
        if getattr(options, name) < 0:
            raise ValueError(f"--{name} is {getattr(options, name)}: give 1 or more")
    if options.frames < 1:
        raise ValueError(f"--frames is {options.frames}: give 1 or more")
    settings = ImportSettings(**{field.name: getattr(options, field.name) for field in fields(ImportSettings)})
    note(f"reading {options.kind}")
    bundle = import_weights(settings, options.into)
    parameters = sum(tensor.numel() for tensor in bundle.model.parameters())
    told = {"folder": str(options.into), "name": bundle.name, "parameters": parameters}
    if options.json:
        say_json(told)
    else:
        say(f"{options.into}: {bundle.name}, {parameters:,} parameters; its card names every source and sha256")
