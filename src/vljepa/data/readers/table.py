"""A folder of media with a CSV or JSONL: a line a caption, a label or a question; lines of one medium belong together.

Columns: `media` (a path beside the table), `caption`, `label`, `question` with `answer` and `candidates` (a list, in a
CSV parted by `|`), `start` and `end` in seconds, `recording`, `split`, `licence`, `credit`. All but `media` may be
missing; other columns are left alone.
"""

import csv
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from vljepa.config import meant
from vljepa.data.readers.listed import parts_of
from vljepa.data.readers.row import Left, ReaderError, Row, Source
from vljepa.types import Question, unique

COLUMNS = [
    "media",
    "caption",
    "label",
    "question",
    "answer",
    "candidates",
    "start",
    "end",
    "recording",
    "split",
    "licence",
    "credit",
]
SPLITS = ("train", "validation", "test")


def open_table(folder: Path, *, table: Path | None = None) -> Source:
    """The rows of a folder's table (the only CSV or JSONL in it, where none is named). Raises ReaderError."""
    if not folder.is_dir():
        raise ReaderError(f"there is no folder {folder}: give the folder that holds your media and a CSV or JSONL")
    path = table or _only_table(folder)
    lines = list(read_lines(path))
    _check_columns(lines, path)
    ignored = sorted({name for _, line in lines for name in line if name not in COLUMNS})
    rows = [row_from_line(line, where=where, folder=folder) for where, line in lines]
    notes = (f"columns that are not read: {', '.join(ignored)}",) if ignored else ()
    name = plain_name(folder.resolve().name)
    return Source(name=name, place=str(folder.resolve()), parts=parts_of(merged(rows)), notes=notes)


def _only_table(folder: Path) -> Path:
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() in (".csv", ".jsonl"))
    if len(found) != 1:
        there = ", ".join(path.name for path in found) or "none"
        raise ReaderError(f"{folder} should hold one CSV or JSONL and holds {there}: name it with --table")
    return found[0]


def plain_name(name: str) -> str:
    """A name that can be the stem of a shard's."""
    return "".join(letter if letter.isalnum() else "-" for letter in name.lower()).strip("-") or "folder"


def read_lines(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each line with what messages call it; empty cells and nulls are left out. Raises ReaderError."""
    if not path.is_file():
        raise ReaderError(f"there is no file {path}: check the path")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ReaderError(f"{path} is not UTF-8 text: save it as UTF-8") from error
    found = _json_lines(path, text) if path.suffix.lower() == ".jsonl" else _csv_lines(path, text)
    for number, values in found:
        kept = {name: value for name, value in values.items() if name and value not in (None, "")}
        if kept:
            yield f"{path.name} line {number}", kept


def _csv_lines(path: Path, text: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    reader = csv.DictReader(io.StringIO(text), strict=True)
    try:
        for values in reader:
            if None in values:
                raise ReaderError(f"{path.name} line {reader.line_num} has more cells than columns: quote its commas")
            yield reader.line_num, {str(name).strip(): (cell or "").strip() for name, cell in values.items()}
    except csv.Error as error:
        raise ReaderError(f"{path.name} line {reader.line_num} is not CSV ({error}): save it again") from error


def _json_lines(path: Path, text: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    # Not splitlines: a text may hold characters that it takes for the end of a line, and JSON does not.
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                values = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise ReaderError(
                    f"{path.name} line {number} is not JSON ({error}): write one object a line"
                ) from error
            if not isinstance(values, dict):
                raise ReaderError(f"{path.name} line {number} is no JSON object: write one object a line")
            yield number, values


def _check_columns(lines: list[tuple[str, Mapping[str, Any]]], path: Path) -> None:
    if not lines:
        raise ReaderError(f"{path} holds no line: write one for each medium")
    there = {name for _, line in lines for name in line}
    if "media" not in there:
        raise ReaderError(f"{path} has no column media (it has {', '.join(sorted(there))}): name the files in it")
    if not there & {"caption", "label", "question"}:
        others = sorted(there - {"media"})
        near = meant(others[0], ("caption", "label", "question")) if others else ""
        raise ReaderError(f"{path} says nothing of its media: give a column caption, label or question{near}")


def row_from_line(line: Mapping[str, Any], *, where: str, folder: Path, said: bool = False) -> Row | Left:
    """The row of one line by COLUMNS. `said`: texts come from elsewhere too, so that none here is no fault."""
    try:
        return _row_of(line, where=where, folder=folder, said=said)
    except ValueError as error:
        return Left(reason="line that makes no sense", sentence=f"{where}: {error}")


def _row_of(line: Mapping[str, Any], *, where: str, folder: Path, said: bool) -> Row | Left:
    if "media" not in line:
        return Left(reason="no medium", sentence=f"{where} names no medium: write its file into the column media")
    split = line.get("split")
    if split is not None and split not in SPLITS:
        raise ValueError(f"split is {split!r}{meant(str(split), SPLITS)}")
    captions, label = _captions(line.get("caption", "")), str(line.get("label", "")).strip()
    questions = _questions(line)
    if not captions and not label and not questions and not said:
        return Left(reason="no text", sentence=f"{where}: caption, label and question are empty: write one of them")
    return Row(
        media=folder / str(line["media"]),
        where=where,
        start=seconds(line, "start"),
        end=seconds(line, "end"),
        captions=captions,
        label=label,
        questions=questions,
        recording=str(line.get("recording", "")),
        split=split,
        licence=str(line.get("licence", "")),
        credit=str(line.get("credit", "")),
    )


def _captions(given: Any) -> tuple[str, ...]:
    """One text, or in a JSONL a list of them."""
    texts = given if isinstance(given, list) else [given]
    return unique([stripped for text in texts if (stripped := str(text).strip())])


def seconds(line: Mapping[str, Any], name: str) -> float | None:
    """The number in a column of seconds, None where there is none. ValueError for anything else."""
    if name not in line:
        return None
    try:
        value = float(line[name])
    except (TypeError, ValueError):
        raise ValueError(f"{name} is {line[name]!r}: give seconds, as 2.5") from None
    if not 0 <= value < float("inf"):
        raise ValueError(f"{name} is {value:g}: give seconds from 0")
    return value


def _questions(line: Mapping[str, Any]) -> tuple[Question, ...]:
    query, answer = str(line.get("question", "")).strip(), str(line.get("answer", "")).strip()
    if not query and not answer:
        return ()
    if not query or not answer:
        raise ValueError("a question needs an answer, and an answer a question: write both")
    given = line.get("candidates", [])
    listed = given.split("|") if isinstance(given, str) else given
    if not isinstance(listed, list):
        raise ValueError(f"candidates is {given!r}: give a list of texts")
    candidates = unique([text for item in listed if (text := str(item).strip())])
    if candidates and answer not in candidates:
        raise ValueError(f"the answer {answer!r} is not among the candidates: add it")
    return (Question(query=query, answer=answer, candidates=candidates or (answer,), kind="question"),)


def merged(rows: list[Row | Left]) -> list[Row | Left]:
    """Rows of one medium and range as one, in the place of the first, with all that is said of it."""
    out: dict[object, Row | Left] = {}
    for number, row in enumerate(rows):
        if isinstance(row, Left):
            out[number] = row
            continue
        place = (row.media, row.start, row.end)
        first = out.get(place)
        if not isinstance(first, Row):
            out[place] = row
        elif first.label and row.label and first.label != row.label:
            out[number] = Left(reason="two labels", sentence=f"{row.where}: {first.where} gives it another label")
        else:
            out[place] = _joined(first, row)
    return list(out.values())


def _joined(first: Row, row: Row) -> Row:
    return replace(
        first,
        captions=unique([*first.captions, *row.captions]),
        label=first.label or row.label,
        questions=(*first.questions, *row.questions),
        split=first.split or row.split,
        recording=first.recording or row.recording,
    )
