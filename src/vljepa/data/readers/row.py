"""What every reader gives: parts that can be read one by one, and rows in them, each a medium with its texts."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from vljepa.types import Question, Split


class ReaderError(ValueError):
    """A source that cannot be read; the sentence names the file and the line and says what to write instead."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """A medium before it is a Sample: a file, or its bytes, whole or from `start` to `end` in seconds.

    `recording`: what one split must not share with another; empty: the file itself. `split`: None leaves it to the
    recording's name. `where`: what messages call the row.
    """

    media: Path | bytes = field(repr=False)
    where: str
    extension: str = ""
    start: float | None = None
    end: float | None = None
    captions: tuple[str, ...] = ()
    weights: tuple[float, ...] = ()
    label: str = ""
    questions: tuple[Question, ...] = ()
    recording: str = ""
    split: Split | None = None
    licence: str = ""
    credit: str = ""


@dataclass(frozen=True, kw_only=True)
class Left:
    """A row that cannot become a sample: `reason` in a few words, for counting, and the whole sentence."""

    reason: str
    sentence: str


@runtime_checkable
class Part(Protocol):
    """A piece of a source that one process reads by itself; it can be pickled."""

    @property
    def mark(self) -> str:
        """Changes when what would be read changes: a part whose shard carries this mark is not read again."""
        ...

    def rows(self) -> Iterator[Row | Left]:
        """The rows in a fixed order. Raises ReaderError where the piece as a whole cannot be read."""
        ...


@dataclass(frozen=True, kw_only=True)
class Source:
    """A source that a reader has opened: a name for its shards, where it lies, its parts, and remarks for the user."""

    name: str
    place: str
    parts: Sequence[Part]
    notes: tuple[str, ...] = ()
