"""`vljepa prepare KIND SOURCE`: shards from your own data or published formats; `small-corpus`: the shipped model's;
`lab`: the laboratory that is made from a seed.

A build that was interrupted goes on where it stopped.
"""

from argparse import ArgumentParser, Namespace
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from vljepa.cli.options import add_json_option
from vljepa.cli.output import note, say, say_json
from vljepa.cli.packages import check_packages

if TYPE_CHECKING:
    from vljepa.data.corpora.prepare import Prepared
    from vljepa.data.readers.prepare import PreparedSource

SMALL, LAB = "small-corpus", "lab"
SIMULATORS = ("mujoco", "metaworld", "pybullet_data")
READERS = ("folder", "webdataset", "plm", "action100m")


def add_options(parser: ArgumentParser) -> None:
    """What to build, where, and from what."""
    parser.add_argument("kind", choices=(*READERS, SMALL, LAB), help="what the source is")
    parser.add_argument("source", nargs="?", metavar="SOURCE", help=f"where it lies (not for {SMALL} and {LAB})")
    parser.add_argument("--into", type=Path, required=True, metavar="FOLDER", help="where the shards go")
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="processes (default: 1)")
    own = parser.add_argument_group("your own data and published formats")
    own.add_argument("--table", type=Path, metavar="F", help="folder: the CSV or JSONL (default: the only one in it)")
    own.add_argument("--name", metavar="NAME", help="what to call the source (default: after its folder or file)")
    own.add_argument("--media", type=Path, metavar="FOLDER", help="plm, action100m: where the media lie")
    own.add_argument("--licence", default="not stated", metavar="L", help="licence of what names none")
    own.add_argument("--test", type=int, default=17, metavar="PERCENT", help="recordings held out for test (17)")
    own.add_argument("--validation", type=int, default=5, metavar="PERCENT", help="and for validation (5)")
    own.add_argument(
        "--not-in",
        type=Path,
        nargs="+",
        default=[],
        metavar="FOLDER",
        help="evaluation sets that training must not see",
    )
    own.add_argument("--leaks", choices=("drop", "refuse"), default="drop", help="what to do with those (drop)")
    small = parser.add_argument_group(SMALL)
    small.add_argument("--photos", type=Path, metavar="FOLDER", help="photographs with descriptions (optional)")
    small.add_argument("--clips", type=Path, metavar="FOLDER", help="camera clips with events (optional)")
    small.add_argument("--cache", type=Path, metavar="FOLDER", help="downloaded packages (default: INTO/packages)")
    small.add_argument("--sources", nargs="+", metavar="NAME", help="only these sources")
    lab = parser.add_argument_group(LAB)
    lab.add_argument("--seed", type=int, default=0, metavar="N", help="fixes all of it (0)")
    lab.add_argument("--scale", choices=("small", "default", "large"), default="default", help="how many clips")
    add_json_option(parser)


def run(options: Namespace) -> None:
    """Build what is missing."""
    if options.workers < 1:
        raise ValueError(f"--workers is {options.workers}: give 1 or more")
    if options.kind == SMALL:
        _small(options)
    elif options.kind == LAB:
        _lab(options)
    else:
        _source(options)


def _source(options: Namespace) -> None:
    from vljepa.data.readers.build import BuildSettings
    from vljepa.data.readers.kinds import open_source
    from vljepa.data.readers.prepare import prepare_source
    from vljepa.data.readers.table import plain_name

    if options.source is None:
        raise ValueError(f"where is the source? Write vljepa prepare {options.kind} SOURCE --into FOLDER")
    if not (options.test >= 0 and options.validation >= 0 and options.test + options.validation < 100):
        raise ValueError("--test and --validation are percentages from 0, and together below 100")
    source = open_source(options.kind, options.source, table=options.table, media=options.media)
    prepared = prepare_source(
        replace(source, name=plain_name(options.name)) if options.name else source,
        options.into,
        settings=BuildSettings(licence=options.licence, test=options.test, validation=options.validation),
        not_in=options.not_in,
        leaks=options.leaks,
        workers=options.workers,
    )
    _tell_source(prepared, as_json=options.json)


def _tell_source(prepared: "PreparedSource", *, as_json: bool) -> None:
    if as_json:
        say_json(
            {
                "folder": str(prepared.folder),
                "total": prepared.total,
                "splits": dict(prepared.splits),
                "skipped": dict(prepared.left),
                "notes": list(prepared.notes),
                "built": prepared.built,
                "reused": prepared.reused,
            }
        )
        return
    for line in prepared.notes:
        note(line)
    for reason, number in prepared.left.items():
        note(f"left out, {reason}: {number}")
    splits = ", ".join(f"{prepared.splits.get(split, 0)} {split}" for split in ("train", "validation", "test"))
    say(f"{prepared.total} samples in {prepared.folder}: {splits}")


def _small(options: Namespace) -> None:
    from vljepa.data.corpora.names import NAMES, SIMULATED
    from vljepa.data.corpora.prepare import prepare

    if options.source is not None:
        raise ValueError(f"{SMALL} is built from packages and takes no source: leave {options.source} out")
    for name in ("photos", "clips"):
        folder = getattr(options, name)
        if folder is not None and not folder.is_dir():
            raise ValueError(f"--{name} {folder} is no folder: check the path, or leave it out")
    sources = options.sources or NAMES
    if set(sources).intersection(SIMULATED):
        check_packages("corpus", *SIMULATORS)
    prepared = prepare(
        options.into,
        cache=options.cache or options.into / "packages",
        sources=sources,
        photos=options.photos,
        clips=options.clips,
        workers=options.workers,
    )
    _tell(prepared, as_json=options.json)


def _lab(options: Namespace) -> None:
    check_packages("corpus", *SIMULATORS)
    from vljepa.data.corpora.lab import prepare_lab

    if options.source is not None:
        raise ValueError(f"{LAB} is made and takes no source: leave {options.source} out")
    if options.seed < 0:
        raise ValueError(f"--seed is {options.seed}: give 0 or more")
    lab = prepare_lab(options.into, seed=options.seed, scale=options.scale, workers=options.workers)
    _tell(lab.prepared, as_json=options.json, contents=lab.contents)


def _tell(prepared: "Prepared", *, as_json: bool, contents: str = "") -> None:
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
            | ({"contents": contents} if contents else {})
        )
        return
    for source, splits in prepared.counts.items():
        say(f"{source}: " + ", ".join(f"{number} {split}" for split, number in splits.items()))
    for line in prepared.notes:
        note(line)
    say(f"{prepared.total} samples in {prepared.folder}")
    if contents:
        say(f"contents {contents}")
