"""An object of an annotation file that knows where it stands: a field that is not there or not as published is told."""

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from vljepa.evaluation.sets.item import SetError

SHOWN = 100


class Record:
    """Fields by name. `where` is what messages call it: the file and the line, or the name of what is described.

    Every method raises SetError where the field is missing or holds something else than asked for.
    """

    def __init__(self, values: Any, *, where: str) -> None:
        if not isinstance(values, Mapping):
            raise SetError(f"{where} is {shown(values)}, expected an object with fields: fetch the file again")
        self.values: Mapping[str, Any] = values
        self.where = where

    def value(self, name: str) -> Any:
        """Whatever the field holds."""
        if name not in self.values:
            there = cut(", ".join(map(str, self.values))) or "nothing"
            raise SetError(f"{self.where} has no {name!r}; it has {there}")
        return self.values[name]

    def text(self, name: str) -> str:
        """A text, or a whole number as one, without outer blanks and not empty."""
        value = self.value(name)
        if isinstance(value, bool) or not isinstance(value, str | int) or not str(value).strip():
            raise self._other(name, "a text that is not empty")
        return str(value).strip()

    def texts(self, name: str) -> list[str]:
        """A list of texts."""
        value = self.value(name)
        if not isinstance(value, list) or not value or not all(isinstance(text, str) for text in value):
            raise self._other(name, "a list of texts")
        return value

    def number(self, name: str) -> float:
        """A finite number from 0, or a text that is one."""
        value = self.value(name)
        try:
            return _number(value)
        except (TypeError, ValueError, OverflowError):
            raise self._other(name, "a number from 0") from None

    def whole(self, name: str) -> int:
        """A whole number from 0, or a text that is one."""
        value = self.value(name)
        try:
            number = _number(value)
        except (TypeError, ValueError, OverflowError):
            number = 0.5
        if number != int(number):
            raise self._other(name, "a whole number from 0")
        return int(number)

    def seconds(self, name: str) -> float:
        """Seconds from 0: a number, or a clock time such as 00:01:02.34."""
        value, total = self.value(name), 0.0
        try:
            for part in str(value).split(":"):
                total = total * 60 + _number(part)
        except ValueError:
            raise self._other(name, "seconds from 0, or a time such as 00:01:02.34") from None
        return total

    def span(self, name: str) -> tuple[float, float]:
        """Two numbers from 0, start and end."""
        value = self.value(name)
        try:
            start, end = map(_number, value if isinstance(value, list) else ())
        except (TypeError, ValueError, OverflowError):
            raise self._other(name, "a start and an end in seconds from 0") from None
        return start, end

    def records(self, name: str) -> list["Record"]:
        """A list of objects."""
        value = self.value(name)
        if not isinstance(value, list):
            raise self._other(name, "a list of objects")
        return [Record(one, where=f"{self.where}, {name}, number {n}") for n, one in enumerate(value, start=1)]

    def record(self, name: str) -> "Record":
        """An object."""
        return Record(self.value(name), where=f"{self.where}, {name}")

    def members(self, kind: str) -> Iterator[tuple[str, "Record"]]:
        """Every field as an object with its name; `kind` is what messages call one."""
        return ((str(name), Record(one, where=f"{self.where}: {kind} {name}")) for name, one in self.values.items())

    def _other(self, name: str, wanted: str) -> SetError:
        return SetError(f"{self.where}: {name!r} is {shown(self.values[name])}, expected {wanted}")


def by_key(rows: Iterable[Record], key: str, text: str) -> dict[str, str]:
    """Texts by a key that no two rows share. SetError names the row with a key that was there before."""
    found: dict[str, str] = {}
    for row in rows:
        if row.text(key) in found:
            raise SetError(
                f"{row.where}: the {key} {row.text(key)!r} stands there twice: take the file as it was published"
            )
        found[row.text(key)] = row.text(text)
    return found


def shown(value: Any) -> str:
    """A value in a message, cut where it is long."""
    return cut(repr(value))


def cut(text: str) -> str:
    """The beginning of a text that is long."""
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def _number(value: Any) -> float:
    """ValueError where it is none, negative, or not finite."""
    number = math.nan if isinstance(value, bool) else float(value)
    if not 0 <= number < math.inf:
        raise ValueError
    return number
