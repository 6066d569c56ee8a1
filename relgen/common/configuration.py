"""Typed dataclasses read from mappings and YAML files, with errors that name file, line and key.

A field's annotation is its check, done by jsonargparse; the docstring below it is its help.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import inspect
import math
import re
import typing
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, ParamSpec, TypeVar

import docstring_parser
import jsonargparse

from relgen.common.errors import InputError
from relgen.common.ranges import DESCRIPTIONS
from relgen.common.wording import similar_names, suggestion
from relgen.common.yaml_files import key_line, located, read_yaml

Record = TypeVar("Record")
Arguments = ParamSpec("Arguments")

_IN_WORDS: dict[Any, str] = {
    **DESCRIPTIONS,
    int: "a whole number",
    float: "a number",
    str: "a string",
    bool: "true or false",
    NoneType: "null",
}


def read(
    kind: type[Record],
    values: Mapping[str, Any],
    *,
    paths: Sequence[str | Path] = (),
    given: Collection[str] = (),
) -> Record:
    """Return an instance of a dataclass, made from a mapping and checked.

    Args:
        kind: the dataclass. Fields that are dataclasses themselves take mappings.
        values: by the fields' names; fields that are not named keep their defaults.
        paths: the YAML files that the values come from; errors name the last one with the key.
        given: keys that do not come from a file, such as `server.base_url`.

    Raises:
        InputError: a key is unknown or missing, or a value has another type.
    """
    try:
        return _made(kind, values)
    except InputError as error:
        if not paths or error.field in given:
            raise
        having = (path for path in reversed(paths) if key_line(path, error.field, exact=True))
        raise located(error, next(having, paths[-1])) from None


def read_merged(paths: Iterable[str | Path]) -> dict[str, Any]:
    """Merge YAML files key by key; later files win.

    Raises InputError if a file cannot be read or is not a mapping.
    """
    values: dict[str, Any] = {}
    for path in paths:
        content = read_yaml(path) or {}
        if not isinstance(content, dict):
            raise InputError("must be a mapping of keys to values", path=path, value=content)
        values = merged(values, content)
    return values


def check(record: Any) -> None:
    """Check the fields of a frozen dataclass made in Python, and convert them as `read` does.

    Call it from `__post_init__`. Raises InputError if a value has another type or is out of range.
    """
    hints = typing.get_type_hints(type(record))
    for name, value in _fields(record).items():
        object.__setattr__(record, name, checked(hints[name], value, name))


def checked(hint: Any, value: Any, key: str) -> Any:
    """Return a value converted to a type, such as `1` or `"1"` to a float.

    Raises InputError if the value has another type; the error's field is `key`, or one below it.
    """
    options = typing.get_args(hint)
    if record := next((kind for kind in (hint, *options) if dataclasses.is_dataclass(kind)), None):
        if dataclasses.is_dataclass(value):
            value = _fields(value)
        if isinstance(value, Mapping):
            return _made(record, value, f"{key}.")  # type: ignore[arg-type]
    holds_records = any(map(dataclasses.is_dataclass, typing.get_args((*options, None)[0])))
    if holds_records and isinstance(value, list | tuple):
        places = enumerate(value)
        return tuple(checked(options[0], one, f"{key}[{place}]") for place, one in places)
    if typing.get_origin(hint) is dict and isinstance(value, Mapping):
        names = typing.get_args(options[0])
        for name in value if typing.get_origin(options[0]) is Literal else ():
            if name not in names:
                _refuse_unknown(f"{key}.{name}", value[name], names)
    try:
        # jsonargparse takes a null for a missing value, and does not check that a record is one
        if record is hint or (value is None and hint is not Any and NoneType not in options):
            raise TypeError(key)
        made = bare_numbers(_parser(hint).parse_object({"value": value}).value)
    except (argparse.ArgumentError, ArithmeticError, TypeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        near = similar_names(value, _literals(hint)) if isinstance(value, str) else []
        remedy = f"did you mean '{near[0]}'?" if near else None
        problem = f"must be {expected(hint)}"
        raise InputError(problem, field=key, value=value, remedy=remedy) from None
    if not _finite(made):
        raise InputError(f"must be {expected(hint)}, and finite", field=key, value=value)
    return made


def checks_numbers(made: Callable[Arguments, None]) -> Callable[Arguments, None]:
    """Decorate a constructor: check and convert the numbers that it is given, as `read` does.

    A call raises InputError if a number is out of its type's range, missing or not finite.
    """
    numbers = [int, float, *DESCRIPTIONS]
    signature = inspect.signature(made)

    @functools.wraps(made)
    def checking(*args: Arguments.args, **kwargs: Arguments.kwargs) -> None:
        given, hints = signature.bind(*args, **kwargs), typing.get_type_hints(made)
        for name, value in given.arguments.items():
            hint = hints.get(name)
            if any(option in numbers for option in (hint, *typing.get_args(hint))):
                given.arguments[name] = checked(hint, value, name)
        made(*given.args, **given.kwargs)

    return checking


def upcast(kind: type[Record], record: Any) -> Record:
    """Return the fields that an instance of a subclass inherits, as an instance of `kind`."""
    return kind(**{entry.name: getattr(record, entry.name) for entry in dataclasses.fields(kind)})  # type: ignore[arg-type]


def _fields(record: Any) -> dict[str, Any]:
    return {entry.name: getattr(record, entry.name) for entry in dataclasses.fields(record)}


def _made(kind: type[Record], values: Mapping[str, Any], prefix: str = "") -> Record:
    hints = typing.get_type_hints(kind)
    fields = dataclasses.fields(kind)  # type: ignore[arg-type]
    for name in values:
        if name not in hints:
            _refuse_unknown(f"{prefix}{name}", values[name], [entry.name for entry in fields])
    for entry in fields:
        if entry.name not in values and default(entry) is dataclasses.MISSING:
            raise InputError("missing", field=f"{prefix}{entry.name}")
    return kind(**{k: checked(hints[k], value, f"{prefix}{k}") for k, value in values.items()})


@functools.cache
def _parser(hint: Any) -> jsonargparse.ArgumentParser:
    parser = jsonargparse.ArgumentParser(exit_on_error=False)
    parser.add_argument("--value", type=hint)
    return parser


def bare_numbers(value: Any) -> Any:
    """Return numbers of types with bounds as int and float: YAML cannot hold such types."""
    if isinstance(value, list | tuple):
        return type(value)(map(bare_numbers, value))
    if isinstance(value, dict):
        return {key: bare_numbers(one) for key, one in value.items()}
    if type(value) not in DESCRIPTIONS:
        return value
    return int(value) if isinstance(value, int) else float(value)


def _finite(value: Any) -> bool:
    """Return False for infinity and NaN, also inside a list or a mapping."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return all(map(_finite, value))
    return not isinstance(value, float) or math.isfinite(value)


def default(entry: dataclasses.Field[Any]) -> Any:
    """Return the default of a dataclass's field; `MISSING` if it has none."""
    made = entry.default_factory is not dataclasses.MISSING
    return entry.default_factory() if made else entry.default  # type: ignore[operator]


def field_helps(kind: type) -> dict[str, str]:
    """Return the help of each field of a dataclass: the docstring below it."""
    helps = {entry.name: "" for entry in dataclasses.fields(kind)}
    for base in filter(dataclasses.is_dataclass, reversed(kind.__mro__)):
        for field in docstring_parser.parse_from_object(base).params:
            helps[field.arg_name] = " ".join((field.description or "").split())
    return helps


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Merge two mappings key by key, and mappings inside them likewise; `above` wins."""
    made = {**below, **above}
    for key in below.keys() & above.keys():
        if isinstance(below[key], Mapping) and isinstance(above[key], Mapping):
            made[key] = merged(below[key], above[key])
    return made


def leaves(values: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Yield the keys of a mapping and of the mappings in it, as `server` and `server.base_url`."""
    for key, value in values.items():
        yield f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from leaves(value, f"{prefix}{key}.")


def expected(hint: Any) -> str:
    """Describe a type in words: `a whole number above 0 or null`."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        return f"one of {', '.join(map(str, arguments))}"
    if origin in (UnionType, typing.Union):
        kinds = list(dict.fromkeys(map(expected, arguments)))
        # `null` reads best at the end
        return " or ".join(sorted(kinds, key=lambda kind: kind == "null"))
    if origin in (list, tuple):
        items = expected(arguments[0])
        # "a whole number above 0" becomes "whole numbers above 0"
        plural, known = re.subn(r"^a (whole number|number|string)\b", r"\1s", items)
        return f"a list of {plural}" if known else f"a list, each item {items}"
    if origin is dict:
        return f"a mapping, each value {expected(arguments[1])}"
    if dataclasses.is_dataclass(hint):
        return "a mapping"
    if origin is Callable:
        return "the class_path of a class"
    return _IN_WORDS.get(hint) or f"a {getattr(hint, '__name__', hint)}"


def _literals(hint: Any) -> list[str]:
    """Return the words that a type allows."""
    arguments = typing.get_args(hint)
    if typing.get_origin(hint) is Literal:
        return [one for one in arguments if isinstance(one, str)]
    return [word for each in arguments for word in _literals(each)]


def _refuse_unknown(key: str, value: Any, known: Collection[str]) -> typing.NoReturn:
    name = key.rpartition(".")[2]
    error = InputError("unknown key", field=key, remedy=nearest_known(name, known))
    if re.search("key|token|secret|password", name, re.IGNORECASE):
        raise error  # without the value, which may be a secret
    raise InputError(error.problem, field=key, value=value, remedy=error.remedy)


def nearest_known(name: str, known: Collection[str]) -> str:
    """Return a remedy for an unknown key: the nearest known one, or all of them if few."""
    few = len(known) <= 12
    return suggestion(
        name, known, f"known: {', '.join(known)}" if few else "see the command's --help"
    )
