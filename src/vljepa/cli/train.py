"""`vljepa train RECIPE`: train a model from a corpus, from where an interrupted run of the same folder stopped.

Several processes: `torchrun --nproc-per-node 8 -m -- vljepa.cli train ...`, the same command with another launcher.
"""

import os
import sys
from argparse import ArgumentParser, Namespace
from importlib import import_module
from pathlib import Path

from vljepa.cli.options import add_json_option
from vljepa.cli.output import note, say, say_json

RECIPES = ("small", "pretrain", "finetune", "decoder", "baseline")


def add_options(parser: ArgumentParser) -> None:
    """Recipe, corpus, run, and settings to change."""
    parser.add_argument("recipe", choices=RECIPES, help="which recipe")
    parser.add_argument("--corpus", type=Path, metavar="FOLDER", help="what `vljepa prepare` has built")
    parser.add_argument("--run", type=Path, dest="run_folder", metavar="FOLDER", help="where the run goes")
    parser.add_argument(
        "--model",
        type=Path,
        metavar="FOLDER",
        help="where to begin (default: the shipped model; small, pretrain: published weights)",
    )
    parser.add_argument(
        "--kept", type=Path, metavar="FOLDER", help="finetune, baseline: older data, not to be forgotten"
    )
    parser.add_argument(
        "--cache", type=Path, metavar="FOLDER", help="small, pretrain, baseline: packages (default: CORPUS/packages)"
    )
    parser.add_argument("--set", nargs="+", action="extend", default=[], metavar="A.B=C", help="settings to change")
    parser.add_argument(
        "--change-settings", action="store_true", help="go on with other settings than it was begun with"
    )
    parser.add_argument(
        "--track",
        nargs="+",
        default=[],
        metavar="NAME",
        help="trackers beside metrics.jsonl: tensorboard, trackio, wandb",
    )
    parser.add_argument("--device", default="auto", help="auto (default), cpu, cuda")
    add_json_option(parser)
    _add_plan_options(parser)


def _add_plan_options(parser: ArgumentParser) -> None:
    """What a plan is made for; nothing of it is read without --plan."""
    group = parser.add_argument_group("plan", "memory and time of a step, without training")
    group.add_argument("--plan", action="store_true", help="print them and what will not fit, then stop")
    group.add_argument("--size", default="small", help="size of the model (default: %(default)s)")
    group.add_argument("--batch", type=int, default=256, help="rows of a batch, over all GPUs (default: %(default)s)")
    group.add_argument("--gpus", type=int, default=1, help="how many devices (default: %(default)s)")
    group.add_argument(
        "--gpu", default="here", help="b200, h200, h100, a100, l40s, rtx4090, l4; this machine without it"
    )
    group.add_argument("--frames", type=int, default=8, help="frames of a clip (default: %(default)s)")
    group.add_argument("--micro-rows", type=int, default=0, help="as loop.micro_rows (GradCache)")
    group.add_argument("--checkpoint-blocks", action="store_true", help="as loop.checkpoint_blocks")


def run(options: Namespace) -> int:
    """Train to the end; Ctrl-C saves what there is."""
    if options.plan:
        return _plan(options)
    if options.corpus is None or options.run_folder is None:
        raise ValueError("train needs --corpus (what `vljepa prepare` has built) and --run (where the run goes)")
    from vljepa.runtime import choose_device, joined_ranks, rank, world_size

    with joined_ranks(choose_device(options.device)):
        status = _train(options, tell=rank() == 0)
        several = world_size() > 1
        if several and status:
            _leave(status)  # without a farewell, for which a lost rank would be waited for
    if several:
        _leave(status)
    return status


def _plan(options: Namespace) -> int:
    """Say what a step needs; status 0, also where it will not fit, since that is the answer."""
    from vljepa.training.plan import PlanSettings, advice, plan, table

    found = plan(
        PlanSettings(
            size=options.size,
            batch=options.batch,
            gpus=options.gpus,
            machine=options.gpu,
            frames=options.frames,
            micro_rows=options.micro_rows,
            checkpoint_blocks=options.checkpoint_blocks,
        )
    )
    if options.json:
        say_json(
            {
                "bytes": {name: round(size) for name, size in found.memory.items()},
                "total_bytes": round(found.total),
                "device_bytes": round(found.machine.memory),
                "fits": found.fits,
                "advice": advice(found),
                "seconds_per_step": found.seconds,
                "samples_per_second": found.settings.batch / found.seconds,
            }
        )
    else:
        say(table(found))
    return 0


def _leave(status: int) -> None:
    """End this rank's process: threads of gloo and of autograd abort it now and then while the interpreter goes."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _train(options: Namespace, *, tell: bool) -> int:
    from vljepa.training.checkpoint import CheckpointError
    from vljepa.training.trainer import Diverged, Interrupted
    from vljepa.training.watchdog import RankLost

    _check(options)
    try:
        folder = _train_recipe(options)
    except Interrupted as stop:
        if tell:
            note(f"vljepa: {stop}")
        return 130
    except (CheckpointError, Diverged, RankLost) as stop:
        note(f"vljepa: {stop}")
        return 1
    if not tell:
        return 0
    if options.json:
        say_json({"model": str(folder), "run": str(options.run_folder)})
    else:
        say(f"the model is in {folder}")
    return 0


def _check(options: Namespace) -> None:
    for corpus in (options.corpus, options.kept):
        if corpus is not None and not corpus.is_dir():
            raise ValueError(f"there is no corpus {corpus}: build it with `vljepa prepare`")


def _train_recipe(options: Namespace) -> Path:
    """The recipe's own function, with what it takes."""
    recipe = import_module(f"vljepa.recipes.{options.recipe}")
    cache = options.cache or options.corpus / "packages"
    own = {
        "small": {"model": options.model, "cache": cache},
        "pretrain": {"model": options.model, "cache": cache},
        "finetune": {"model": options.model, "kept": options.kept},
        "decoder": {"model": options.model},
        "baseline": {"model": options.model, "kept": options.kept, "cache": cache},
    }[options.recipe]
    folder: Path = recipe.train(
        options.corpus,
        options.run_folder,
        assignments=options.set,
        device=options.device,
        change=options.change_settings,
        track=options.track,
        **own,
    )
    return folder
