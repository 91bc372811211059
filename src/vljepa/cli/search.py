"""`vljepa search`: moments of a library that fit a text, an example, or both."""

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from vljepa.cli.options import add_model_options, open_model
from vljepa.cli.output import check_can_write, note, say, say_json, seconds_text, write_whole

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vljepa.library import Found, Hit

PAGES = (".html", ".htm")


def add_options(parser: ArgumentParser) -> None:
    """What to look for, where, and how many."""
    parser.add_argument("text", nargs="?", metavar="TEXT", help="what is to be seen")
    parser.add_argument("--like", type=Path, metavar="MEDIA", help="a picture or video that is to be alike")
    parser.add_argument("--in", dest="folder", required=True, type=Path, metavar="DIR", help="the library")
    parser.add_argument("--top", type=int, default=10, metavar="N", help="how many hits (default: 10)")
    parser.add_argument("--question", metavar="Q", help="ask the best hits this, and rank them by their answers")
    parser.add_argument("--path", metavar="PART", help="part of the path, or a pattern with * and ?")
    parser.add_argument("--start", type=float, metavar="S", help="only what is seen from this second of its video on")
    parser.add_argument("--end", type=float, metavar="S", help="only what is seen until this second of its video")
    parser.add_argument("--min-seconds", type=float, metavar="S", help="only videos that are at least so long")
    parser.add_argument("--max-seconds", type=float, metavar="S", help="only videos that are at most so long")
    parser.add_argument(
        "--show",
        nargs="?",
        const="",
        metavar="F.html",
        help="show what was found: here in the terminal, or in a page of that name",
    )
    add_model_options(parser)


def run(options: Namespace) -> None:
    """Search, then tell the hits."""
    from vljepa.library import Library

    if options.show:
        if Path(options.show).suffix.lower() not in PAGES:
            raise ValueError(f"--show writes a page, and {options.show} does not end with .html: name it so")
        check_can_write(Path(options.show), read=[options.like] if options.like else [])
    Library.open(options.folder).close()  # says at once where there is none
    with Library.open(options.folder, open_model(options).embedder) as library:
        found = library.search(
            options.text,
            like=options.like,
            question=options.question,
            top=options.top,
            path=options.path,
            start=options.start,
            end=options.end,
            min_seconds=options.min_seconds,
            max_seconds=options.max_seconds,
        )
        shown = {hit.id: library.thumbnail(hit.id) for hit in found.hits}
    if options.show:
        from vljepa.library.showing import page

        write_whole(Path(options.show), page(options.text or str(options.like), found, shown).encode())
        note(f"{len(found.hits)} hits in {options.show}")
    _say_json(found) if options.json else _say(found, shown if options.show == "" else {})


def _say_json(found: "Found") -> None:
    hits = [{"media": hit.media, "start": hit.start, "end": hit.end, "score": hit.score} for hit in found.hits]
    say_json({"hits": hits, "no_match": found.no_match})


def _say(found: "Found", shown: "Mapping[int, bytes | None]") -> None:
    if found.no_match > 0.5:
        say(f"no match, with probability {found.no_match:.2f}; nearest to it:" if found.hits else "no match")
    for hit in found.hits:
        say(f"{hit.score:.2f}  {_when(hit)}  {hit.link}")
        if (thumbnail := shown.get(hit.id)) is not None:
            from vljepa.library.showing import in_terminal

            say(in_terminal(thumbnail))


def _when(hit: "Hit") -> str:
    said = f"   {hit.caption}" if hit.caption else ""
    more = f"   (+{hit.same} alike)" if hit.same else ""
    when = f"{seconds_text(hit.start)} - {seconds_text(hit.end)}" if hit.end > hit.start else "picture"
    return f"{when}{said}{more}"
