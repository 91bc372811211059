"""Annotation files of other people, read strictly: what is missing, damaged or of another form is told."""

import csv
import io
import json
import pickle
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from vljepa.evaluation.sets.item import SetError
from vljepa.evaluation.sets.record import Record, cut

BEGINNING = 30


def read_text(path: Path) -> str:
    """A UTF-8 file. SetError where it is not there or in another encoding."""
    _check_file(path)
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise SetError(f"{path} is not UTF-8 text: fetch it again, or save it as UTF-8") from error


def read_json(path: Path) -> Any:
    """A JSON file. SetError where it is none, or has a key twice."""
    return _parsed(read_text(path), str(path))


def read_object(path: Path) -> Record:
    """A JSON file that is one object."""
    return Record(read_json(path), where=str(path))


def read_records(path: Path) -> list[Record]:
    """A JSON list of objects, or one object a line."""
    text = read_text(path)
    if text.lstrip().startswith("["):
        rows = {f"{path}, record {n}": row for n, row in enumerate(_parsed(text, str(path)), start=1)}
    else:
        # Not splitlines: texts may hold characters that it takes for the end of a line, and JSON does not.
        numbered = {f"{path}, line {n}": line for n, line in enumerate(text.split("\n"), start=1) if line.strip()}
        rows = {where: _parsed(line, where) for where, line in numbered.items()}
    if not rows:
        raise SetError(f"{path} holds no item: fetch it again")
    return [Record(row, where=where) for where, row in rows.items()]


def _parsed(text: str, where: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_once)
    except SetError as error:
        raise SetError(f"{where}: {error}") from error
    except (ValueError, RecursionError) as error:
        begins = f"begins with {text[:BEGINNING]!r}" if text.strip() else "is empty"
        raise SetError(f"{where} is not JSON ({error}) and {begins}: fetch it again") from error


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object; where a key stands there twice, JSON would keep the last without a word."""
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(key for key, times in Counter(key for key, _ in pairs).items() if times > 1)
        raise SetError(f"the key {twice!r} stands there twice: take the file as it was published")
    return found


def read_table(path: Path, *, columns: Sequence[str], tab: bool = False) -> list[Record]:
    """Rows of a CSV (or tab-separated) file with a head. SetError where a column is missing or there twice."""
    rows = _cells(path, tab=tab)
    head = [name.strip() for name in next(rows, ("", []))[1]]
    wrong = [name for name in columns if head.count(name) != 1]
    if wrong:
        times = "no column" if wrong[0] not in head else "more than one column"
        raise SetError(
            f"{path} has {times} {', '.join(map(repr, wrong))}: its first line is {cut(', '.join(head))!r}, expected "
            f"are {', '.join(columns)}"
        )
    found = [_row(cells, where, columns=head) for where, cells in rows]
    if not found:
        raise SetError(f"{path} holds nothing below its first line: fetch it again")
    return found


def read_columns(path: Path, *, columns: Sequence[str]) -> list[Record]:
    """Rows of a CSV file without a head, each with exactly these columns."""
    return [_row(cells, where, columns=columns) for where, cells in _cells(path)]


def _row(cells: list[str], where: str, *, columns: Sequence[str]) -> Record:
    if len(cells) != len(columns):
        raise SetError(f"{where}: {len(cells)} columns, expected {len(columns)} ({cut(', '.join(columns))})")
    return Record(dict(zip(columns, cells, strict=True)), where=where)


def _cells(path: Path, *, tab: bool = False) -> Iterator[tuple[str, list[str]]]:
    """The lines that are not empty, each with what messages call it."""
    reader = csv.reader(io.StringIO(read_text(path)), delimiter="\t" if tab else ",")
    try:
        for cells in reader:
            if cells:
                yield f"{path}, line {reader.line_num}", cells
    except csv.Error as error:
        raise SetError(
            f"{path}, line {reader.line_num} is no line of a table ({error}), perhaps for a quote that is not closed: "
            "fetch the file again"
        ) from error


def _check_file(path: Path) -> None:
    if path.is_dir():
        raise SetError(f"{path} is a folder, expected a file of that name")
    if not path.is_file():
        raise SetError(f"there is no {path.name} in {path.parent}")


class _Plain(pickle.Unpickler):
    """Lists, dictionaries, numbers and texts alone: a pickle that wants anything else is refused, not executed."""

    def find_class(self, module: str, name: str) -> Any:
        """Nothing is looked up."""
        raise SetError(f"it wants to run {module}.{name}: this is not the published file")


def read_plain_pickle(path: Path) -> Any:
    """A pickle of plain values, as Python 2 wrote them too."""
    _check_file(path)
    try:
        return _Plain(io.BytesIO(path.read_bytes()), encoding="latin1").load()
    except SetError as error:
        raise SetError(f"{path}: {error}") from error
    except Exception as error:  # bytes that are no pickle, or half of one, may mean anything to the machine in it
        raise SetError(f"{path} is no complete pickle ({error}): fetch it again") from error


def spaced(name: str) -> str:
    """A name in CamelCase or with underscores as words; what is written in capitals (TV, RJ45) stays."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name.replace("_", " ")).split()
    return " ".join(word if len(word) > 1 and word.upper() == word else word.lower() for word in words)
