"""`vljepa weights check`: does a model folder still compute what it computed when it was saved?"""

from argparse import ArgumentParser, Namespace
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vljepa.cli.options import add_json_option
from vljepa.cli.output import note, say, say_json

if TYPE_CHECKING:
    from vljepa.weights.check import Checked


def add_options(parser: ArgumentParser) -> None:
    """Which folder, where, and whether to write the numbers down instead."""
    parser.add_argument("folder", nargs="?", type=Path, metavar="FOLDER", help="a model folder (default: the shipped)")
    parser.add_argument("--device", default="cpu", help="cpu (default), cuda, cuda:1 ...")
    parser.add_argument("--write", action="store_true", help="write today's numbers into check.json, replacing others")
    add_json_option(parser)


def run(options: Namespace) -> int:
    """Status 0 where everything is as it was saved, 2 with what differs where something is not."""
    from vljepa.embedder import shipped_folder
    from vljepa.runtime import choose_device
    from vljepa.weights.check import check_folder
    from vljepa.weights.folder import write_check

    folder = options.folder or shipped_folder()
    if options.write:
        write_check(folder)
        note(f"written: {folder / 'check.json'}")
    checked = check_folder(folder, device=choose_device(options.device))
    if options.json:
        say_json(_as_json(folder, checked))
    else:
        _tell(checked)
    if not checked.ok:
        note(f"vljepa: {folder} is not what was saved: fetch it again, or import it again")
    return 0 if checked.ok else 2


def _as_json(folder: Path, checked: "Checked") -> dict[str, Any]:
    return {"folder": str(folder), "ok": checked.ok, **asdict(checked)}


def _tell(checked: "Checked") -> None:
    for part in checked.parts:
        known = "".join(f" ({size})" for size in part.sizes)
        numbers = "no NaN" if not part.found.not_finite else f"{part.found.not_finite:,} NaN or infinite"
        mark = "DIFFERS" if part.wrong else "ok     "
        say(f"{mark}  {part.name}: {part.found.parameters:,} parameters{known}; {checked.dtype}; {numbers}")
        for sentence in part.wrong:
            say(f"         {sentence}")
    for sentence in checked.wrong:
        say(f"DIFFERS  {sentence}")
