"""Annotation files of other people, read strictly: what is missing, damaged or of another form is told."""

import csv
import io
import json
import pickle
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from vljepa.evaluation.sets.item import SetError


def read_text(path: Path) -> str:
    """A UTF-8 file. SetError where it is not there or in another encoding."""
    if not path.is_file():
        raise SetError(f"there is no {path.name} in {path.parent}")
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise SetError(f"{path} is not UTF-8 text: fetch it again") from error


def read_json(path: Path) -> Any:
    """A JSON file. SetError where it is none."""
    try:
        return json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise SetError(f"{path} is not JSON ({error}): fetch it again") from error


def read_records(path: Path) -> list[Mapping[str, Any]]:
    """A JSON list of objects, or one object a line."""
    text = read_text(path)
    try:
        rows = json.loads(text) if text.lstrip().startswith("[") else [json.loads(line) for line in _lines(text)]
    except json.JSONDecodeError as error:
        raise SetError(f"{path} is neither a JSON list nor JSON lines ({error}): fetch it again") from error
    if not all(isinstance(row, dict) for row in rows):
        raise SetError(f"{path} holds something else than objects: this is another file")
    return list(rows)


def read_table(path: Path, *, columns: Sequence[str], tab: bool = False) -> list[dict[str, str]]:
    """Rows of a CSV (or tab-separated) file with a head. SetError where one of the columns is missing."""
    reader = csv.DictReader(io.StringIO(read_text(path)), delimiter="\t" if tab else ",")
    missing = [name for name in columns if name not in (reader.fieldnames or ())]
    if missing:
        raise SetError(
            f"{path} has no column {', '.join(map(repr, missing))}: there are {', '.join(reader.fieldnames or ())}"
        )
    rows = []
    for number, row in enumerate(reader, start=2):
        if None in row or None in row.values():
            raise SetError(
                f"{path}, line {number}: {len(row)} columns where the head has {len(reader.fieldnames or ())}"
            )
        rows.append(dict(row))
    return rows


def read_columns(path: Path, *, columns: Sequence[str]) -> list[list[str]]:
    """Rows of a CSV file without a head, each with exactly these columns."""
    rows = [row for row in csv.reader(io.StringIO(read_text(path))) if row]
    for number, row in enumerate(rows, start=1):
        if len(row) != len(columns):
            raise SetError(f"{path}, line {number}: {len(row)} columns, expected {len(columns)} ({', '.join(columns)})")
    return rows


def field_of(row: Mapping[str, Any], name: str, path: Path) -> Any:
    """A field of a record. SetError names the file and what the record has instead."""
    if name not in row:
        raise SetError(f"{path}: a record has no {name!r}; it has {', '.join(map(str, row))}")
    return row[name]


def text_of(row: Mapping[str, Any], name: str, path: Path) -> str:
    """A field with text in it, without outer blanks."""
    text = str(field_of(row, name, path)).strip()
    if not text:
        raise SetError(f"{path}: a record has an empty {name!r}")
    return text


class _Plain(pickle.Unpickler):
    """Lists, dictionaries, numbers and texts alone: a pickle that wants anything else is refused, not executed."""

    def find_class(self, module: str, name: str) -> Any:
        """Nothing is looked up."""
        raise SetError(f"the pickle wants to run {module}.{name}: this is not the published file")


def read_plain_pickle(path: Path) -> Any:
    """A pickle of plain values, as Python 2 wrote them too."""
    if not path.is_file():
        raise SetError(f"there is no {path.name} in {path.parent}")
    try:
        return _Plain(io.BytesIO(path.read_bytes()), encoding="latin1").load()
    except (pickle.UnpicklingError, EOFError, IndexError, KeyError, ValueError) as error:
        if isinstance(error, SetError):
            raise
        raise SetError(f"{path} is no complete pickle ({error}): fetch it again") from error


def seconds(text: str) -> float:
    """Seconds of a clock time such as 00:01:02.34, or of a plain number."""
    total = 0.0
    for part in text.strip().split(":"):
        total = total * 60 + float(part)
    return total


def spaced(name: str) -> str:
    """A name in CamelCase or with underscores as words; what is written in capitals (TV, RJ45) stays."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name.replace("_", " ")).split()
    return " ".join(word if len(word) > 1 and word.upper() == word else word.lower() for word in words)


def _lines(text: str) -> Iterator[str]:
    return (line for line in text.splitlines() if line.strip())
