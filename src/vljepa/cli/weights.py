"""`vljepa weights`: list, import, export, average and check the weights of others and of model folders."""

from argparse import ArgumentParser, Namespace
from importlib import import_module

ACTS = {
    "list": "what can be imported, and from where",
    "import": "published weights into a model folder",
    "export": "a model folder's weights under their published names",
    "mean": "the mean of models that began alike, such as the seeds of one run",
    "check": "whether a model folder still computes what it computed when it was saved",
}


def add_options(parser: ArgumentParser) -> None:
    """Each act has a module of its own."""
    acts = parser.add_subparsers(title="acts", metavar="ACT", required=True)
    for name, summary in ACTS.items():
        act = acts.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + ".")
        module = import_module(f"vljepa.cli.weights_{name}")
        module.add_options(act)
        act.set_defaults(act=module.run)


def run(options: Namespace) -> int:
    """Do what was asked for."""
    status: int = options.act(options) or 0
    return status
