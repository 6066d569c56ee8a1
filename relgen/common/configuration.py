"""Typed dataclasses read by jsonargparse, with errors that name the file, line, key and remedy.

A field's annotation is its check, its docstring its help. `read` makes an instance from what a YAML
file, a command line or Python gives; `OneLineErrors` is the parser below it, which the commands
that LightningCLI parses share.
"""

from __future__ import annotations

import argparse
import dataclasses
import difflib
import operator
import typing
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from itertools import zip_longest
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, NamedTuple, TypeVar

import jsonargparse
from jsonargparse._common import lenient_check

from relgen.common.errors import InputError
from relgen.common.yaml_files import key_line, located, read_yaml

Record = TypeVar("Record")

jsonargparse.set_parsing_settings(docstring_parse_attribute_docstrings=True)


class _Failure(NamedTuple):
    """A key that cannot be used, recorded where key, value and type are known."""

    key: str
    problem: str
    value: Any = None
    remedy: str | None = None


_failures: ContextVar[list[_Failure] | None] = ContextVar("_failures", default=None)


@contextmanager
def _recorded() -> Iterator[list[_Failure]]:
    """Collect the failures of everything that is checked inside the block."""
    inside: list[_Failure] = []
    token = _failures.set(inside)
    try:
        yield inside
    finally:
        _failures.reset(token)


def _record(failure: _Failure) -> None:
    recorded = _failures.get()
    if recorded is not None:
        recorded.append(failure)


class OneLineErrors(jsonargparse.ArgumentParser):
    """A parser that raises InputError where jsonargparse would print its usage and exit.

    jsonargparse reads a class by a parser of its own, of the same type as the outer one. Each of
    them records the key, the value and the expected type of what it refuses; the outermost names
    the deepest of them.
    """

    args: list[str] = []  # noqa: RUF012 - jsonargparse sets it on the instance

    def parse_args(self, args: Any = None, *rest: Any, **kwargs: Any) -> Any:
        """Parse a command line; see `jsonargparse.ArgumentParser.parse_args`."""
        if _failures.get() is not None:
            return super().parse_args(args, *rest, **kwargs)
        with _recorded():
            return super().parse_args(args, *rest, **kwargs)

    def parse_object(self, obj: Any, *rest: Any, **kwargs: Any) -> Any:
        """Parse a mapping; see `jsonargparse.ArgumentParser.parse_object`."""
        if _failures.get() is not None:
            return super().parse_object(obj, *rest, **kwargs)
        with _recorded():
            return super().parse_object(obj, *rest, **kwargs)

    def error(self, message: str, ex: Exception | None = None) -> typing.NoReturn:
        """Raise InputError for the recorded failure, or with the message on one line."""
        recorded = _failures.get() or []
        if not recorded and self._subcommands_action is None:
            with _recorded() as recorded:
                self._check_options()
            for failure in recorded:
                _record(failure)
        if getattr(self, "_inner_parser", False):
            super().error(message, ex)
        if not recorded:
            raise InputError(" ".join(message.split())[:300]) from ex
        failure = recorded[-1]
        if failure.problem == "missing" and self.args:
            failure = failure._replace(remedy=f"give --{failure.key}, or a file with it by -c")
        option = self._option_of(failure.key)
        key = failure.key if option is None else option.lstrip("-")
        raise _explained(failure._replace(key=key), [] if option else self._config_files()) from ex

    def validate(self, namespace: Any, *args: Any, **kwargs: Any) -> None:
        """Check all values; unknown and missing keys are recorded first."""
        # a file on its own may leave out what the command line gives
        required = not (kwargs.get("skip_required", False) or lenient_check.get())
        if self._subcommands_action is None:
            self._check_keys(namespace, required=required)
        else:
            for name, parser in self._subcommands_action._name_parser_map.items():
                if namespace.get(name) is not None:
                    parser._check_keys(namespace[name], required=required)
        super().validate(namespace, *args, **kwargs)

    def _check_value_key(
        self, action: Any, value: Any, key: str, cfg: Any, append: bool = False
    ) -> Any:
        with _recorded() as inside:
            try:
                checked = super()._check_value_key(action, value, key, cfg, append)
                _check_names(getattr(action, "_typehint", None), checked)
                return checked
            except (TypeError, ValueError, argparse.ArgumentError) as error:
                problem, raised = _problem(action, error), error
        if not inside:
            _record(_Failure(key, problem, value))
        elif isinstance(action, argparse._SubParsersAction):
            _record(inside[-1])
        else:
            _record(inside[-1]._replace(key=f"{key}.{inside[-1].key}"))
        raise raised

    def _check_keys(self, namespace: Any, *, required: bool) -> None:
        """Record the first unknown or missing key, and raise TypeError for it."""
        groups = set(self.groups or ())
        typed = [action for action in self._actions if hasattr(action, "_typehint")]
        known = [a.dest for a in self._actions if a.dest not in groups or a in typed]
        for key in namespace.keys():  # noqa: SIM118 - a Namespace is no mapping
            if "__" in key or any(key == name or key.startswith(f"{name}.") for name in known):
                continue
            if key in groups:
                raise self._refused(_Failure(key, "must be a mapping", namespace[key]))
            raise self._refused(_Failure(key, "unknown key", namespace[key], nearest(key, known)))
        asked = [action.dest for action in self._actions if action.required]
        for key in [*asked, *sorted(self._extra_required_keys)] if required else []:
            if namespace.get(key) is None:
                raise self._refused(_Failure(key, "missing"))

    def _refused(self, failure: _Failure) -> TypeError:
        _record(failure)
        return TypeError(failure.problem)

    def _check_options(self) -> None:
        """Record the first option of the command line that is unknown or has an unusable value."""
        for name, value in _options(self.args):
            action = self._option_string_actions.get(name.removesuffix(".class_path"))
            if action is not None and not isinstance(
                action, jsonargparse._actions.ActionConfigFile
            ):
                try:
                    self._check_value_key(action, value, action.dest, None)
                except (TypeError, ValueError, argparse.ArgumentError):
                    return
            elif action is None and not any(
                name.startswith(f"{known}.") for known in self._option_string_actions
            ):
                remedy = nearest(name, list(self._option_string_actions))
                _record(_Failure(name, "unknown key", value, remedy))
                return

    def _option_of(self, key: str) -> str | None:
        """The option of the command line that gave a key; one of a class names it in full."""
        names = [name for name, _ in _options(self.args)]
        for name in reversed(names):
            bare = name.lstrip("-").replace("init_args.", "")
            if bare == key.replace("init_args.", "") or bare.endswith(f".{key}"):
                return name
        return None

    def _config_files(self) -> list[Path]:
        return [Path(value) for name, value in _options(self.args) if name in ("-c", "--config")]


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
        values: by the fields' names; what is not named keeps its default.
        paths: the YAML files that they come from; errors name the last that has the key.
        given: keys that do not come from a file, such as `server.base_url`.

    Raises:
        InputError: an unknown key, a missing one, or a value of another type.
    """
    try:
        return kind(**_values(kind, values))
    except InputError as error:
        if not paths or error.field in given:
            raise
        having = (path for path in reversed(paths) if key_line(path, error.field, exact=True))
        raise located(error, next(having, paths[-1])) from None


def check(record: Any) -> None:
    """Check the fields of a frozen dataclass made in Python, and convert them as `read` does.

    Call it from `__post_init__`.

    Raises:
        InputError: a value is of another type or out of range.
    """
    for name, value in _values(type(record), dataclasses.asdict(record)).items():
        object.__setattr__(record, name, value)


def _values(kind: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the checked value of every field."""
    parser = _parser(kind)
    _refuse_null(kind, values)
    try:
        parsed = parser.instantiate(parser.parse_object(dict(values)))
    except ValueError as error:
        found: BaseException | None = error  # jsonargparse wraps what a constructor raises
        while found is not None and not isinstance(found, InputError):
            found = found.__cause__
        raise found or error from None
    return {entry.name: _bare_numbers(parsed[entry.name]) for entry in dataclasses.fields(kind)}


def read_file(
    kind: type[Record], path: str | Path, overrides: Mapping[str, Any] | None = None
) -> Record:
    """Return an instance of a dataclass, made from a YAML file and values that win over it.

    Raises:
        InputError: names the file, the line, the key, and the nearest key that there is.
    """
    content = read_yaml(path)
    if not isinstance(content, dict):
        raise InputError("must be a mapping of keys to values", path=path, value=content)
    overrides = overrides or {}
    return read(kind, merged(content, overrides), paths=[path], given=set(leaves(overrides)))


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return two mappings as one: `above` wins, and mappings inside are merged likewise."""
    made = {**below, **above}
    for key in below.keys() & above.keys():
        if isinstance(below[key], Mapping) and isinstance(above[key], Mapping):
            made[key] = merged(below[key], above[key])
    return made


def field_helps(kind: type) -> dict[str, str]:
    """Return the help of each field of a dataclass: the docstring below it."""
    helps = {
        action.dest: " ".join((action.help or "").split()) for action in _parser(kind)._actions
    }
    return {entry.name: helps.get(entry.name, "") for entry in dataclasses.fields(kind)}


@cache
def _parser(kind: type) -> OneLineErrors:
    parser = OneLineErrors()
    parser.add_class_arguments(kind)
    return parser


def leaves(values: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Yield the keys of a mapping and of the mappings in it, as `server` and `server.base_url`."""
    for key, value in values.items():
        yield f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from leaves(value, f"{prefix}{key}.")


def _refuse_null(kind: type, values: Mapping[str, Any]) -> None:
    """Raise InputError for a null whose field takes none: to jsonargparse it is a missing value."""
    hints = typing.get_type_hints(kind)
    for key, value in values.items():
        if value is None and key in hints and NoneType not in typing.get_args(hints[key]):
            raise InputError(f"must be {expected(hints[key])}", field=key, value=value)


def _bare_numbers(value: Any) -> Any:
    """Return a value with int and float for numbers of types with bounds, which no file holds."""
    if hasattr(value, "_restrictions"):
        return value._type(value)
    if isinstance(value, list | tuple):
        return type(value)(_bare_numbers(one) for one in value)
    if isinstance(value, dict):
        return {key: _bare_numbers(one) for key, one in value.items()}
    if dataclasses.is_dataclass(value):
        for entry in dataclasses.fields(value):
            object.__setattr__(value, entry.name, _bare_numbers(getattr(value, entry.name)))
    return value


def expected(hint: Any) -> str:
    """Return a type in words: `a whole number of at least 1 or null`."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        return f"one of {', '.join(map(str, arguments))}"
    if origin in (UnionType, typing.Union):
        kinds = list(dict.fromkeys(expected(argument) for argument in arguments))
        # `null` last, as people say it
        return " or ".join(sorted(kinds, key=lambda kind: kind == "null"))
    if origin in (list, tuple):
        return f"a list, each {expected(arguments[0])}"
    if origin is dict:
        return f"a mapping, each value {expected(arguments[1])}"
    if dataclasses.is_dataclass(hint):
        return "a mapping"
    if restrictions := getattr(hint, "_restrictions", None):
        bounds = f" {getattr(hint, '_join', 'and')} ".join(
            f"{_BOUNDS[compare]} {bound}" for compare, bound in restrictions
        )
        return f"{_NAMES[hint._type]} {bounds}"
    return _NAMES.get(hint) or f"a {getattr(hint, '__name__', hint)}"


_NAMES: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    str: "a text",
    bool: "true or false",
    NoneType: "null",
}
_BOUNDS = {
    operator.gt: "above",
    operator.ge: "of at least",
    operator.lt: "below",
    operator.le: "of at most",
}


def _explained(failure: _Failure, files: list[Path]) -> InputError:
    """Return the failure as an error, with the file and line in which its key stands."""
    places = ((file, key_line(file, failure.key, exact=True)) for file in reversed(files))
    path, line = next((place for place in places if place[1] is not None), (None, None))
    value = {} if failure.problem == "missing" else {"value": failure.value}
    return InputError(
        failure.problem, path=path, line=line, field=failure.key, remedy=failure.remedy, **value
    )


def _check_names(hint: Any, value: Any) -> None:
    """Record an unknown key of a mapping whose keys are a Literal, and raise TypeError for it."""
    arguments = typing.get_args(hint)
    if typing.get_origin(hint) is dict and typing.get_origin(arguments[0]) is Literal:
        known = list(typing.get_args(arguments[0]))
        for name in value or ():
            if name not in known:
                _record(_Failure(name, "unknown key", value[name], nearest(name, known)))
                raise TypeError(name)


def _problem(action: Any, error: Exception) -> str:
    """Return what is wrong with a value, by the type of its action."""
    hint = getattr(action, "_typehint", None) or action.type
    return f"must be {expected(hint)}" if hint else " ".join(str(error).split())[:300]


def nearest(key: str, known: list[str]) -> str:
    """Return a remedy for an unknown key: the nearest known one, or all of its siblings."""
    prefix, _, name = key.rpartition(".")
    inside = [
        k.removeprefix(f"{prefix}.") for k in known if not prefix or k.startswith(f"{prefix}.")
    ]
    near = difflib.get_close_matches(name, inside, n=1)
    if near:
        return f"did you mean '{near[0]}'?"
    return f"known: {', '.join(inside)}" if len(inside) <= 12 else "see the command's --help"


def _options(arguments: list[str]) -> list[tuple[str, str]]:
    """Return the options of a command line with what follows each, up to the next option."""
    found = []
    for argument, following in zip_longest(arguments, arguments[1:], fillvalue=""):
        if argument.startswith("-"):
            name, given, value = argument.partition("=")
            found.append((name, value if given else following))
    return found
