"""`vljepa index`: bring a library up to date with folders of videos and pictures."""

import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vljepa.cli.options import add_model_options, open_model
from vljepa.cli.output import note, say, say_json

if TYPE_CHECKING:
    from vljepa.library import Indexed, IndexSettings, Library
    from vljepa.library.progress import Progress

# Options that change how media become segments.
SETTINGS = ("window", "hop", "rate", "vectors", "captions", "thumbnails", "keep_windows")
SHOWN_FAILURES = 20


def add_options(parser: ArgumentParser) -> None:
    """Paths, the library, and how media become segments; the defaults are those of IndexSettings."""
    parser.add_argument("paths", nargs="+", type=_path, metavar="PATHS", help="videos, pictures, and folders of them")
    parser.add_argument("--into", required=True, type=Path, metavar="DIR", help="the library; made where there is none")
    parser.add_argument("--rate", type=float, metavar="HZ", help="segments a second on average (default: 0.2)")
    parser.add_argument("--window", type=float, metavar="S", help="seconds in one embedding (default: 2)")
    parser.add_argument("--hop", type=float, metavar="S", help="seconds between embeddings (default: 0.5)")
    parser.add_argument("--vectors", type=int, metavar="N", help="vectors that a segment may have (default: 1)")
    parser.add_argument("--captions", action="store_true", default=None, help="say every segment in words, too")
    parser.add_argument(
        "--thumbnails", type=int, metavar="PX", help="short side of its pictures, 0: none (default: 120)"
    )
    parser.add_argument(
        "--keep-windows", action="store_true", default=None, help="keep the embedding of every window, too"
    )
    parser.add_argument(
        "--engine",
        metavar="URL",
        help="where a new library keeps its vectors: flat (its own folder, default), qdrant:FOLDER, "
        "qdrant:http://HOST:6333, lancedb:FOLDER, milvus:FILE.db, milvus:http://HOST:19530, pgvector:postgresql://...",
    )
    parser.add_argument("--ray", metavar="ADDRESS", help="spread the work over a Ray cluster (auto, local, ray://...)")
    parser.add_argument("--rebuild", action="store_true", help="empty the library first, also one of another model")
    add_model_options(parser)


def _path(text: str) -> Path:
    """A path; an empty one, which a shell makes of a variable that is not set, would mean the folder one stands in."""
    if not text:
        raise ArgumentTypeError("a path is empty: name a file or a folder, . for this one")
    return Path(text)


def run(options: Namespace) -> None:
    """Index, with a line of progress, then say what became of the files."""
    from vljepa.library import IndexSettings, Library
    from vljepa.library.library import rebuild
    from vljepa.library.walk import check_paths

    check_paths(options.paths)
    IndexSettings(**_given(options))
    embedder = open_model(options).embedder
    if options.rebuild:
        rebuild(options.into, embedder, engine=options.engine)
    with Library.open(options.into, embedder, create=True, engine=options.engine) as library, _progress() as progress:
        indexed = library.add(
            options.paths, settings=_settings(options, library), progress=progress, look=_look(options)
        )
    _say(indexed, as_json=options.json)


def _look(options: Namespace) -> Any:
    if options.ray is None:
        return None
    from vljepa.library.distributed import on_ray

    return on_ray(options.ray, model=options.model, device=options.device)


def _settings(options: Namespace, library: "Library") -> "IndexSettings | None":
    """None where nothing was said of them: then they stay as they are."""
    from dataclasses import replace

    given = _given(options)
    return replace(library.settings, **given) if given else None


def _given(options: Namespace) -> dict[str, Any]:
    return {name: getattr(options, name) for name in SETTINGS if getattr(options, name) is not None}


def _say(indexed: "Indexed", *, as_json: bool) -> None:
    counts, state = indexed.counts, indexed.state
    for failure in indexed.failures[:SHOWN_FAILURES]:
        note(f"left out: {failure.error}")
    if len(indexed.failures) > SHOWN_FAILURES:
        note(f"left out: {len(indexed.failures) - SHOWN_FAILURES} more")
    for folder in indexed.unreadable:
        note(f"{folder} could not be read: what was indexed of it is kept")
    if as_json:
        say_json(
            {
                **vars(counts),
                "hours": round(state.hours, 4),
                "times_real_time": round(state.times_real_time, 2),
                "bottleneck": state.bottleneck,
                "failures": [{"media": one.path, "error": one.error} for one in indexed.failures],
            }
        )
        return
    say(
        f"{counts.files} files: {counts.added} added, {counts.changed} changed, {counts.renamed} renamed, "
        f"{counts.copied} copied, {counts.unchanged} as they were, {counts.dropped} dropped, {counts.failed} unusable"
    )
    say(
        f"{counts.segments} segments of {state.hours:.2f} hours of video at {state.times_real_time:.1f} times real time"
    )


@contextmanager
def _progress() -> Iterator["Progress"]:
    """A line on the terminal; silent where standard error is a file or a pipe."""
    if not sys.stderr.isatty():
        yield lambda state: None
        return
    from rich.console import Console

    with Console(stderr=True).status("indexing") as status:
        yield lambda state: status.update(state.line())
