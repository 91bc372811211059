"""Settings are frozen dataclasses: here they are read strictly, overridden by dotted names, and fingerprinted."""

import dataclasses
import difflib
import hashlib
import json
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

Settings = TypeVar("Settings")


class SettingsError(ValueError):
    """A setting that does not exist or does not fit; the message names it and what is meant instead."""


def settings_from(kind: type[Settings], values: Mapping[str, Any], *, at: str = "") -> Settings:
    """An instance of the dataclass `kind`; an unknown name anywhere inside is an error that suggests the nearest."""
    _refuse_unknown(kind, values, at)
    try:
        return TypeAdapter(kind).validate_python(dict(values))
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise SettingsError(f"setting {at}{name}: {first['msg']} (got {first['input']!r})") from error


def _refuse_unknown(kind: Any, values: Mapping[str, Any], at: str) -> None:
    hints = typing.get_type_hints(kind)
    for name, value in values.items():
        if name not in hints:
            raise SettingsError(f"unknown setting {at}{name}{meant(name, hints, at)}")
        allowed = typing.get_args(hints[name]) if typing.get_origin(hints[name]) is typing.Literal else None
        if allowed and value not in allowed:
            raise SettingsError(f"setting {at}{name} cannot be {value!r}{meant(str(value), allowed)}")
        inner = _dataclass_in(hints[name])
        if inner is not None and isinstance(value, Mapping):
            _refuse_unknown(inner, value, f"{at}{name}.")
        each = _dataclass_in((*typing.get_args(hints[name]), None)[1]) if _is_mapping(hints[name]) else None
        if each is not None and isinstance(value, Mapping):
            for key, settings in value.items():
                _refuse_unknown(each, settings, f"{at}{name}.{key}.") if isinstance(settings, Mapping) else None


def meant(name: str, known: Iterable[str], at: str = "") -> str:
    """The end of a message: the nearest of the known names, or all of them."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.4)
    return f"; did you mean {at}{near[0]}?" if near else f"; there are {', '.join(sorted(known))}"


def _is_mapping(hint: Any) -> bool:
    return typing.get_origin(hint) in (Mapping, dict)


def _dataclass_in(hint: Any) -> Any:
    """The dataclass that a hint names, also as `X | None`."""
    if isinstance(hint, types.UnionType):
        found = [option for option in typing.get_args(hint) if dataclasses.is_dataclass(option)]
        return found[0] if found else None
    return hint if dataclasses.is_dataclass(hint) else None


def as_dict(settings: Any) -> dict[str, Any]:
    """Plain values, ready for JSON or YAML."""
    plain: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(settings)))
    return plain


def override(settings: Settings, assignments: Sequence[str]) -> Settings:
    """A copy with `a.b=value` applied; values are read as YAML (`3`, `1e-4`, `[a, b]`, `true`)."""
    import yaml

    values = as_dict(settings)
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals:
            raise SettingsError(f"{assignment!r} is no assignment: write name=value, as in training.steps=200")
        *path, last = name.strip().split(".")
        inner = values
        for part in path:
            if not isinstance(inner.get(part), dict):
                _refuse_unknown(type(settings), values | {part: None}, "") if inner is values else None
                raise SettingsError(f"unknown setting {name}: {part} holds no settings")
            inner = inner[part]
        inner[last] = yaml.safe_load(text)
    return settings_from(type(settings), values)


def fingerprint(settings: Any) -> str:
    """Twelve hexadecimal digits that change when any setting does."""
    text = json.dumps(as_dict(settings), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def differences(one: Any, other: Any) -> dict[str, tuple[Any, Any]]:
    """Dotted names whose values differ, with both values."""

    def flat(values: Mapping[str, Any], at: str = "") -> dict[str, Any]:
        out: dict[str, Any] = {}
        for name, value in values.items():
            out |= flat(value, f"{at}{name}.") if isinstance(value, dict) else {f"{at}{name}": value}
        return out

    left, right = flat(as_dict(one)), flat(as_dict(other))
    names = sorted(left.keys() | right.keys())
    return {name: (left.get(name), right.get(name)) for name in names if left.get(name) != right.get(name)}
