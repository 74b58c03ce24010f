"""Recipes as data: to and from plain values, and overrides by dotted names."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Mapping
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from passerby.types import InputError

R = TypeVar("R")


def to_plain(value: Any) -> Any:
    """A recipe as nested dicts, lists and plain values, as YAML and JSON hold them."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [to_plain(item) for item in value]
    return value


def from_plain(recipe: type[R], plain: Mapping[str, Any]) -> R:
    """The recipe that `to_plain` made `plain` of.

    Fields that are left out are later than `plain`: they have what it was before them, as
    `BEFORE` of the class says by their names, and else their defaults.

    Raises:
        InputError: for an unknown field or a value of the wrong type, by its dotted name.
    """
    result: R = _convert(recipe, plain, recipe.__name__)
    return result


def override(recipe: R, changes: Mapping[str, Any]) -> R:
    """A copy with the fields of these dotted names changed, e.g. `{"stages.2.epochs": 3}`.

    Raises:
        InputError: for an unknown name or a value of the wrong type.
    """
    plain = to_plain(recipe)
    for name, value in changes.items():
        _set(plain, name.split("."), to_plain(value), name)
    return from_plain(type(recipe), plain)


def _set(plain: Any, path: list[str], value: Any, name: str) -> None:
    for step in path[:-1]:
        plain = plain[_key(plain, step, name)]
    plain[_key(plain, path[-1], name)] = value


def _key(plain: Any, step: str, name: str) -> str | int:
    if isinstance(plain, dict) and step in plain:
        return step
    if isinstance(plain, list) and step.isdigit() and int(step) < len(plain):
        return int(step)
    known = (
        list(plain)
        if isinstance(plain, dict)
        else range(len(plain) if isinstance(plain, list) else 0)
    )
    raise InputError(
        f"unknown setting {name!r}: {step!r} is none of {', '.join(map(str, known)) or '(nothing)'}"
    )


def _convert(kind: Any, value: Any, name: str) -> Any:
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return _convert_fields(kind, value, name)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal:
        return _expect(value in arguments, value, f"one of {', '.join(map(str, arguments))}", name)
    if origin in (Union, types.UnionType):
        return _convert_union(arguments, value, name)
    if origin is tuple:
        return _convert_tuple(arguments, value, name)
    if kind is float and type(value) is int:
        return float(value)
    if kind in (int, float, str, bool):
        return _expect(type(value) is kind, value, f"of type {kind.__name__}", name)
    return value


def _convert_fields(kind: Any, value: Any, name: str) -> Any:
    _expect(isinstance(value, Mapping), value, "a mapping of settings", name)
    hints = get_type_hints(kind)
    known = {field.name for field in dataclasses.fields(kind)}
    for key in value:
        if key not in known:
            raise InputError(f"{name} has no setting {key!r}; it has {', '.join(sorted(known))}")
    value = {**getattr(kind, "BEFORE", {}), **value}
    return kind(**{key: _convert(hints[key], item, f"{name}.{key}") for key, item in value.items()})


def _convert_union(kinds: tuple[Any, ...], value: Any, name: str) -> Any:
    if value is None and type(None) in kinds:
        return None
    problems = []
    for kind in kinds:
        if kind is type(None):
            continue
        try:
            return _convert(kind, value, name)
        except InputError as problem:
            problems.append(problem)
    raise problems[0]


def _convert_tuple(kinds: tuple[Any, ...], value: Any, name: str) -> tuple[Any, ...]:
    _expect(isinstance(value, (list, tuple)), value, "a list", name)
    if len(kinds) == 2 and kinds[1] is Ellipsis:
        kinds = (kinds[0],) * len(value)
    _expect(len(kinds) == len(value), value, f"a list of {len(kinds)}", name)
    return tuple(
        _convert(kind, item, f"{name}.{index}")
        for index, (kind, item) in enumerate(zip(kinds, value, strict=True))
    )


def _expect(holds: bool, value: Any, rule: str, name: str) -> Any:
    if not holds:
        raise InputError(f"{name} must be {rule}; given {value!r}")
    return value
