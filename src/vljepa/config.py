"""Settings are frozen dataclasses: here they are read strictly, overridden by dotted names, and fingerprinted."""

import dataclasses
import difflib
import hashlib
import json
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import Discriminator, TypeAdapter, ValidationError

Settings = TypeVar("Settings")
KIND = "kind"  # the setting that tells which of several groups of settings is meant
BY_KIND = Discriminator(KIND)


class SettingsError(ValueError):
    """A setting that does not exist or does not fit; the message names it and what is meant instead."""


def settings_from(kind: type[Settings], values: Mapping[str, Any], *, at: str = "") -> Settings:
    """An instance of the dataclass `kind`; an unknown name anywhere inside is an error that suggests the nearest."""
    _refuse_unknown(kind, values, at)
    told = _with_kinds(kind, values)
    try:
        return TypeAdapter(kind).validate_python(told)
    except ValidationError as error:
        first = error.errors()[0]
        own = first.get("ctx", {}).get("error")
        if isinstance(own, SettingsError):  # what a dataclass says itself is a whole sentence
            raise own from error
        name = ".".join(_path(first["loc"], told))
        raise SettingsError(f"setting {at}{name}: {first['msg']} (got {first['input']!r})") from error


def _path(places: Sequence[int | str], values: Any) -> list[str]:
    """The dotted name of a place; pydantic also tells which kind of settings it tried, which is no part of it."""
    path = []
    for number, place in enumerate(places):
        inside = values[place] if isinstance(values, dict) and place in values else None
        if inside is not None or number == len(places) - 1 or not isinstance(values, dict):
            path.append(str(place))
            values = inside
    return path


def _with_kinds(kind: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values with the `kind` of each group that has several; files from before there were more have the first."""
    told = dict(values)
    for name, hint in typing.get_type_hints(kind).items():
        if isinstance(told.get(name), Mapping) and (inner := _dataclass_in(hint, told[name])) is not None:
            told[name] = _with_kinds(inner, told[name])
            if len(_dataclasses_in(hint)) > 1:
                told[name].setdefault(KIND, _kind_of(inner))
    return told


def _refuse_unknown(kind: Any, values: Mapping[str, Any], at: str) -> None:
    hints = typing.get_type_hints(kind)
    for name, value in values.items():
        if name not in hints:
            raise SettingsError(f"unknown setting {at}{name}{meant(name, hints, at)}")
        allowed = typing.get_args(hints[name]) if typing.get_origin(hints[name]) is typing.Literal else None
        if allowed and value not in allowed:
            raise SettingsError(f"setting {at}{name} cannot be {value!r}{meant(str(value), allowed)}")
        inner = _dataclass_in(hints[name], value, f"{at}{name}.")
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


def _dataclass_in(hint: Any, value: Any = None, at: str = "") -> Any:
    """The dataclass that a hint names, also as `X | None`; of several the one whose `kind` the value has."""
    found = _dataclasses_in(hint)
    if len(found) < 2 or not isinstance(value, Mapping) or KIND not in value:
        return found[0] if found else None
    kinds = {_kind_of(option): option for option in found}
    if value[KIND] not in kinds:
        raise SettingsError(f"setting {at}{KIND} cannot be {value[KIND]!r}{meant(str(value[KIND]), kinds)}")
    return kinds[value[KIND]]


def _dataclasses_in(hint: Any) -> list[Any]:
    options = typing.get_args(hint) if typing.get_origin(hint) in (types.UnionType, typing.Union) else (hint,)
    return [option for option in options if dataclasses.is_dataclass(option)]


def _kind_of(option: Any) -> str:
    return str(typing.get_args(typing.get_type_hints(option)[KIND])[0])


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
        try:
            inner[last] = yaml.safe_load(text)
        except yaml.YAMLError:
            inner[last] = text  # a sentence with a colon is a text; whether one belongs here is checked below
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
