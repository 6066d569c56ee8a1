"""Settings as frozen dataclasses: fields that explain themselves, read from mappings and checked.

A field's annotation says which values it takes; its metadata holds its explanation, which is the
command line's help. A field whose type is such a dataclass itself takes a mapping.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping
from dataclasses import field
from types import NoneType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from relgen.common.errors import InputError

_Settings = TypeVar("_Settings")


def described(default: Any, text: str) -> Any:
    """`dataclasses.field` with an explanation."""
    return field(default=default, metadata={"help": text})


def check_fields(settings: Any, where: str = "") -> None:
    """Checks every field's type; whole numbers become floats and lists tuples where asked for.

    Args:
        settings: a frozen dataclass.
        where: stands before the field's name in messages, such as `server.`.

    Raises:
        InputError: names the field, the value and what it must be.
    """
    hints = get_type_hints(type(settings))
    for entry in dataclasses.fields(settings):
        name = f"{where}{entry.name}"
        value = _checked(name, getattr(settings, entry.name), hints[entry.name])
        object.__setattr__(settings, entry.name, value)


def from_mapping(kind: type[_Settings], values: Mapping[str, Any], where: str = "") -> _Settings:
    """Settings from a mapping of field names to values.

    Args:
        kind: the dataclass.
        values: what is not named keeps its default.
        where: stands before the field's name in messages, such as `server.`.

    Raises:
        InputError: an unknown key, with the nearest that there is, or an unusable value.
    """
    known = [entry.name for entry in dataclasses.fields(kind)]  # type: ignore[arg-type]
    for key in values:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1)
            raise InputError(
                "unknown setting",
                field=f"{where}{key}",
                value=values[key],
                remedy=f"did you mean '{near[0]}'?" if near else f"settings: {', '.join(known)}",
            )
    return kind(**values)


def value_type(hint: Any) -> tuple[Any, bool]:
    """An annotation without its None, and whether it had one."""
    options = get_args(hint) if NoneType in get_args(hint) else (hint,)
    return next(option for option in options if option is not NoneType), NoneType in options


def _checked(name: str, value: Any, hint: Any) -> Any:
    """`value` as the annotated type; raises InputError when it is of another."""
    kind, nullable = value_type(hint)
    if value is None and nullable:
        return None
    if get_origin(kind) is Literal:
        if value in get_args(kind):
            return value
        expected = f"one of {', '.join(get_args(kind))}"
    elif get_origin(kind) is tuple:
        if isinstance(value, list | tuple) and value and all(isinstance(x, str) for x in value):
            return tuple(value)
        expected = "a list of names"
    elif dataclasses.is_dataclass(kind):
        if isinstance(value, kind):  # type: ignore[arg-type]
            return value
        if isinstance(value, Mapping):
            return from_mapping(kind, value, f"{name}.")  # type: ignore[arg-type]
        expected = "a mapping of settings"
    elif kind is float:
        if isinstance(value, int | float) and not isinstance(value, bool) and value == value:
            return float(value)
        expected = "a number"
    elif isinstance(value, kind) and not (kind is int and isinstance(value, bool)):
        return value
    else:
        expected = {int: "a whole number", bool: "true or false", str: "a text"}[kind]
    suffix = " or null" if nullable else ""
    raise InputError(f"must be {expected}{suffix}", field=name, value=value)
