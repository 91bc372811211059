"""Options that several verbs share, and reading what they name; no torch before a model is asked for."""

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vljepa.api import Model


def add_model_options(parser: ArgumentParser) -> None:
    """--model, --device and --json."""
    add_device_options(parser)
    add_json_option(parser)


def add_device_options(parser: ArgumentParser) -> None:
    """--model and --device."""
    parser.add_argument(
        "--model", type=Path, metavar="FOLDER", help="a model folder; without it the one that is shipped"
    )
    parser.add_argument("--device", default="auto", help="auto (default), cpu, cuda, cuda:1 ...")


def add_service_options(parser: ArgumentParser) -> None:
    """--library, --root and --source: what requests may read."""
    parser.add_argument("--library", type=Path, metavar="DIR", help="a library to search, made by vljepa index")
    parser.add_argument(
        "--root",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="a folder whose files requests may name, beside those that the library was made from",
    )
    parser.add_argument(
        "--source",
        action="append",
        default=[],
        metavar="NAME=SOURCE",
        help="a camera or stream that requests may watch by this name, such as door=rtsp://camera.local/stream",
    )


def sources_of(given: list[str]) -> dict[str, str]:
    """Names and what they stand for; ValueError where one is not written as NAME=SOURCE or stands there twice."""
    sources: dict[str, str] = {}
    for text in given:
        name, _, source = text.partition("=")
        if not name.strip() or not source.strip():
            raise ValueError(f"{text!r} names no source: write NAME=SOURCE, as in door=camera:0")
        if name.strip() in sources:
            raise ValueError(f"the source {name.strip()!r} stands there twice: take one out")
        sources[name.strip()] = source.strip()
    return sources


def add_json_option(parser: ArgumentParser) -> None:
    """--json."""
    parser.add_argument("--json", action="store_true", help="only JSON on standard output")


def add_range_options(parser: ArgumentParser) -> None:
    """--start and --end."""
    parser.add_argument("--start", type=float, metavar="S", help="second of a video to begin at")
    parser.add_argument("--end", type=float, metavar="S", help="second of a video to end at")


def open_model(options: Namespace, *, texts_alone: bool = False) -> "Model":
    """The model that --model and --device name; for `texts_alone` without what looks at pictures."""
    from vljepa.api import load

    if texts_alone:
        return load(options.model, device=options.device, parts=("y_encoder",))
    return load(options.model, device=options.device)


def texts_of(given: list[str] | None, file: Path | None) -> list[str]:
    """What was written on the command line, then the lines of a UTF-8 file; blank lines at its end do not count.

    ValueError where the file cannot be read or is in another encoding.
    """
    return [*(given or []), *(_lines(file) if file is not None else [])]


def _lines(file: Path) -> list[str]:
    if not file.is_file():
        raise ValueError(f"there is no file {file}: check the path")
    content = file.read_bytes()
    # Notepad's "Unicode" is UTF-16 with a mark at its beginning, which leaves no doubt.
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ValueError(f"{file} is not UTF-8 text (line {line} holds other bytes): save it as UTF-8") from error
    if "\0" in text:
        raise ValueError(f"{file} is no text file (it holds zero bytes): give one label a line, in UTF-8")
    return text.rstrip().splitlines()
