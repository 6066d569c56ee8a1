"""Frozen records from what a YAML file holds, with errors that name the key."""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from collections.abc import Mapping
from typing import Any, Literal

from relgen.common.errors import InputError


def record_from(kind: type, content: Mapping[str, Any], where: str = "") -> Any:
    """A dataclass from a mapping; dataclasses among its fields are made likewise.

    Args:
        kind: the class. Its fields are numbers, texts, truth values, literals, dataclasses, tuples
            and mappings of these, or null.
        content: what the file says.
        where: what stands before the keys in messages, such as `generator.`.

    Raises:
        InputError: an unknown key, a missing one, or a value of another type.
    """
    known = typing.get_type_hints(kind)
    for key, value in content.items():
        if key not in known:
            near = difflib.get_close_matches(str(key), list(known), n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"known keys: {', '.join(known)}"
            raise InputError("unknown key", field=f"{where}{key}", value=value, remedy=hint)
    missing = [
        f.name
        for f in dataclasses.fields(kind)
        if f.default is dataclasses.MISSING
        and f.default_factory is dataclasses.MISSING
        and f.name not in content
    ]
    if missing:
        raise InputError("missing", field=f"{where}{missing[0]}", value=sorted(content))
    return kind(**{key: _value(known[key], v, f"{where}{key}") for key, v in content.items()})


def _value(kind: Any, value: Any, where: str) -> Any:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):  # of a Literal and None, the latter
        kinds = [k for k in arguments if k is not types.NoneType]
        if value is None and len(kinds) < len(arguments):
            return None
        # a mapping is read as the dataclass, where there is one
        fitting = (k for k in kinds if dataclasses.is_dataclass(k) == isinstance(value, dict))
        choice = next(fitting, kinds[0])
        return _value(choice, value, where)
    if origin is Literal:
        if value not in arguments:
            raise InputError(f"must be one of {', '.join(arguments)}", field=where, value=value)
        return value
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        if not isinstance(value, dict):
            raise InputError("must be a mapping", field=where, value=value)
        return record_from(kind, value, f"{where}.")
    if origin is tuple:
        if not isinstance(value, list):
            raise InputError("must be a list", field=where, value=value, remedy=f"[{value}]")
        return tuple(_value(arguments[0], item, where) for item in value)
    if origin is dict:
        if not isinstance(value, dict):
            raise InputError("must be a mapping", field=where, value=value)
        return {
            str(key): _value(arguments[1], item, f"{where}.{key}") for key, item in value.items()
        }
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        names = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}
        raise InputError(f"must be {names[kind]}", field=where, value=value)
    return value
