"""Rows that are known before any medium is opened, dealt into parts of a fixed number."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from vljepa.data.readers.row import Left, Part, Row

ROWS_A_PART = 256


@dataclass(frozen=True)
class Listed:
    """So many rows of a table, and the sizes and times of their files when the table was read."""

    listed: tuple[Row | Left, ...]
    files: str

    @property
    def mark(self) -> str:
        """Changes with the rows and with the files that they name."""
        told = [(repr(row), str(row.media)) if isinstance(row, Row) else repr(row) for row in self.listed]
        return hashlib.sha256(f"{told} {self.files}".encode()).hexdigest()[:16]

    def rows(self) -> Iterator[Row | Left]:
        """The rows as they were read."""
        yield from self.listed


def parts_of(rows: Sequence[Row | Left]) -> list[Part]:
    """The rows in parts of ROWS_A_PART."""
    portions = (tuple(rows[first : first + ROWS_A_PART]) for first in range(0, len(rows), ROWS_A_PART))
    return [Listed(portion, " ".join(map(_file_mark, portion))) for portion in portions]


def _file_mark(row: Row | Left) -> str:
    if isinstance(row, Left) or not isinstance(row.media, Path) or not row.media.is_file():
        return "-"
    facts = row.media.stat()
    return f"{facts.st_size}.{facts.st_mtime_ns}"
