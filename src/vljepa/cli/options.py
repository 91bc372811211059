"""Options that several verbs share, and reading what they name; no torch before a model is asked for."""

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vljepa.api import Model


def add_model_options(parser: ArgumentParser) -> None:
    """--model, --device and --json."""
    parser.add_argument(
        "--model", type=Path, metavar="FOLDER", help="a model folder; without it the one that is shipped"
    )
    parser.add_argument("--device", default="auto", help="auto (default), cpu, cuda, cuda:1 ...")
    add_json_option(parser)


def add_json_option(parser: ArgumentParser) -> None:
    """--json."""
    parser.add_argument("--json", action="store_true", help="only JSON on standard output")


def add_range_options(parser: ArgumentParser) -> None:
    """--start and --end."""
    parser.add_argument("--start", type=float, metavar="S", help="second of a video to begin at")
    parser.add_argument("--end", type=float, metavar="S", help="second of a video to end at")


def open_model(options: Namespace) -> "Model":
    """The model that --model and --device name."""
    from vljepa.api import load

    return load(options.model, device=options.device)


def texts_of(given: list[str] | None, file: Path | None) -> list[str]:
    """What was written on the command line, then the lines of a UTF-8 file; blank lines at its end do not count.

    ValueError where the file cannot be read or is in another encoding.
    """
    return [*(given or []), *(_lines(file) if file is not None else [])]


def _lines(file: Path) -> list[str]:
    if not file.is_file():
        raise ValueError(f"there is no labels file {file}: check the path")
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
