"""Command lines of typed dataclasses.

A field `max_new_tokens` is the option `--max-new-tokens`; underscores work too. A boolean is
`--diverse` or `--no-diverse`, a list takes several words, a mapping `KEY=VALUE,…`, and the fields
of a dataclass `server` are `--server-base-url` and so on. argparse splits the line; values are then
checked like those from files, by `relgen.common.configuration`.
"""

from __future__ import annotations

import argparse
import dataclasses
import inspect
import json
import re
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING
from pathlib import Path
from types import UnionType
from typing import Any, Literal, NoReturn, TypeVar

import yaml

from relgen.common.configuration import (
    default,
    field_helps,
    leaves,
    merged,
    nearest_known,
    read,
    read_merged,
)
from relgen.common.errors import InputError
from relgen.common.presets import find_config
from relgen.common.yaml_files import located

Options = TypeVar("Options")

_OPTION = re.compile(r"^--\w[^=]*")
POSITIONAL = {"positional": True}
"""Metadata of a dataclass field that is a positional argument on the command line.

`keys` may name the dataclass of the keys of the file that the value names.
"""
ONLY_TYPED = {"only_typed": True}
"""Metadata of a field that only the command line may change: a file from others must not."""
SET_ON_READING = {"set_on_reading": True}
"""Metadata of a field that is set when a file is read, and is not a key of it."""
SHORT = {"short": True}
"""Metadata of a field whose option has a short form as well: `number` is `-n`, too."""


def parse_options(kind: type[Options], command: str, line: Sequence[str]) -> Options | None:
    """Parse a command line; its options override those of the files given by `-c`.

    Args:
        kind: the command's dataclass; its docstring is the description that `--help` prints.
        command: its name, such as `data split`; presets are looked for in the folder of this name.
        line: the words after it.

    Returns:
        None after `--print_config`.

    Raises:
        InputError: an unknown or missing option or key, or an unusable value.
        SystemExit: after `--help`.
    """
    parser = _parser(kind, command)
    found, rest = parser.parse_known_intermixed_args([_dashed(word) for word in line])
    if unknown := [word for word in rest if word.startswith("--")]:
        name = unknown[0].partition("=")[0]
        keys = _file_keys(kind)
        if name in (_option(action.dest) for action in keys._actions):
            problem = f"is one of the {keys._positionals.title}, not an option"
            raise InputError(problem, field=name, remedy="set it in the file")
        known = parser._option_string_actions
        raise InputError("unknown option", field=name, remedy=nearest_known(name, known))
    if rest:
        raise InputError("unexpected argument", value=rest[0], remedy=_see_help(command))
    given = vars(found)
    paths = [find_config(name, command) for name in given.pop("--config", [])]
    prints = given.pop("--print-config", False)
    values, typed = read_merged(paths), dict[str, Any]()
    for key, value in given.items():
        if value != []:
            *outer, name = key.split(".")
            typed = merged(typed, {outer[0]: {name: value}} if outer else {name: value})
    named = set(leaves(typed))
    for key, allowed in _only_typed(kind):
        if key not in named:
            _refuse_in_files(key, allowed, paths)
    try:
        options = read(kind, merged(values, typed), paths=paths, given=named)
    except InputError as error:
        raise _as_option(error, kind, given, paths, command) from None
    if not prints:
        return options
    plain = json.loads(json.dumps(dataclasses.asdict(options)))  # type: ignore[call-overload]
    print(yaml.safe_dump(plain, sort_keys=False), end="")
    return None


def _only_typed(kind: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the keys that only the command line may change, with their defaults."""
    hints = typing.get_type_hints(kind)
    for entry in dataclasses.fields(kind):
        if entry.metadata.get("only_typed"):
            yield f"{prefix}{entry.name}", default(entry)
        if dataclasses.is_dataclass(hint := _bare(hints[entry.name])):
            yield from _only_typed(hint, f"{entry.name}.")


def _refuse_in_files(key: str, allowed: Any, paths: Sequence[Path]) -> None:
    for path in paths:
        value: Any = read_merged([path])
        for name in key.split("."):
            value = value.get(name) if isinstance(value, Mapping) else None
        if value not in (None, allowed):
            remedy = f"if you trust the file, give {_option(key)} on the command line as well"
            raise located(InputError("a file may not set it", field=key, remedy=remedy), path)


def option_words(kind: Any, given: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Return a command line that `parse_options` reads as these options, positional ones first.

    None and an empty mapping are left out. `prefix` stands before the names.
    """
    first, options = [], []
    metadata = {entry.name: entry.metadata for entry in dataclasses.fields(kind)}
    hints = typing.get_type_hints(kind)
    for name, value in given.items():
        if value is None or value == {}:
            continue
        if dataclasses.is_dataclass(inner := _bare(hints[name])):
            options += option_words(inner, value, f"{name}.")
            continue
        if isinstance(value, dict):
            value = ",".join(f"{key}={_text(one)}" for key, one in value.items())
        several = [_text(one) for one in (value if isinstance(value, list | tuple) else [value])]
        if metadata[name].get("positional"):
            first += several
        elif isinstance(value, bool):
            options.append(_option(f"{'' if value else 'no-'}{prefix}{name}"))
        else:
            options += [_option(f"{prefix}{name}"), *several]
    return [*first, *options]


def _text(value: Any) -> str:
    return str(value).removesuffix(".0") if isinstance(value, float) else str(value)


def parse_known(
    kind: type[Options], command: str, words: Sequence[str]
) -> tuple[Options, list[str]]:
    """Return the options of a dataclass that a command line holds, and the rest of its words.

    Names of options have dashes or underscores; those of the rest become keys, with underscores.
    """
    parser = _Parser(
        prog=f"relgen {command}",
        add_help=False,
        allow_abbrev=False,
        argument_default=argparse.SUPPRESS,
    )
    _add_options(parser, kind, "")

    def named(word: re.Match[str]) -> str:
        dashed = _dashed(word[0])
        own = dashed in parser._option_string_actions
        return dashed if own else f"--{word[0][2:].replace('-', '_')}"

    found, rest = parser.parse_known_args([_OPTION.sub(named, word) for word in words])
    return read(kind, vars(found)), rest


class _Parser(argparse.ArgumentParser):
    """Raises InputError where argparse prints its usage and exits."""

    def error(self, message: str) -> NoReturn:
        raise InputError(message, remedy=_see_help(self.prog.removeprefix("relgen ")))


class _Pairs(argparse.Action):
    """Adds `KEY=VALUE,…` to a mapping. A comma separates where a KEY= follows it."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: Any = None) -> None:
        parts = values.split(",")
        if not all("=" in part for part in parts):
            parts = [values]
        pairs = [part.partition("=") for part in parts]
        if not all(key.strip() and value.strip() for key, _, value in pairs):
            raise InputError("must be KEY=VALUE", field=option_string, value=values)
        made = {key.strip(): value.strip() for key, _, value in pairs}
        setattr(namespace, self.dest, {**getattr(namespace, self.dest, {}), **made})


def _parser(kind: type, command: str) -> _Parser:
    parser = _Parser(
        prog=f"relgen {command}",
        usage=" ".join(["relgen", command, *_required(kind), "[options]"]),
        description=re.split(r"\n\n(?:Args|Raises):", inspect.getdoc(kind) or "")[0],
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        argument_default=argparse.SUPPRESS,
        epilog=_file_keys(kind).format_help(),
    )
    _add_options(parser, kind, "")
    parser.add_argument(
        "-c",
        "--config",
        dest="--config",
        action="append",
        metavar="FILE",
        help="YAML file with options, or a preset's name; options on the command line win",
    )
    parser.add_argument(
        "--print-config",
        "--print_config",
        dest="--print-config",
        action="store_true",
        help="print the resulting options as YAML, and exit",
    )
    return parser


def _file_keys(kind: type) -> argparse.ArgumentParser:
    """Return a parser that shows the keys of the file that a field names by its `keys`."""
    parser = argparse.ArgumentParser(usage=argparse.SUPPRESS, add_help=False)
    for entry in dataclasses.fields(kind):
        if keys := entry.metadata.get("keys"):
            parser._positionals.title = f"keys of the {entry.name}'s file"
            _add_options(parser, keys, "", in_file=True)
    return parser


def _add_options(group: Any, kind: type, prefix: str, *, in_file: bool = False) -> None:
    hints, texts = typing.get_type_hints(kind), field_helps(kind)
    # required ones first
    for entry in sorted(dataclasses.fields(kind), key=lambda entry: default(entry) is not MISSING):
        hint, key = _bare(hints[entry.name]), f"{prefix}{entry.name}"
        if entry.metadata.get("set_on_reading"):
            continue
        if dataclasses.is_dataclass(hint):
            inner = group.add_argument_group(f"{key} ({texts[entry.name].rstrip('.')})")
            _add_options(inner, hint, f"{key}.", in_file=in_file)  # type: ignore[arg-type]
            continue
        text = texts[entry.name].replace("%", "%%")
        if in_file and typing.get_origin(hint) is Literal:
            text += f" One of {', '.join(map(str, typing.get_args(hint)))}."
        standard = default(entry)
        if standard is MISSING:
            text += " (required)"
        elif standard not in (None, False, (), [], {}):
            shown = " ".join(map(str, standard)) if isinstance(standard, tuple) else standard
            text += f" (default: {shown})"
        several = typing.get_origin(hint) in (list, tuple)
        if in_file or entry.metadata.get("positional"):
            name = key if in_file else key.upper()
            group.add_argument(key, nargs="*" if several else "?", help=text, metavar=name)
            continue
        shared: dict[str, Any] = {"dest": key, "help": text}
        if hint is bool:
            shared |= {"action": argparse.BooleanOptionalAction}
        elif typing.get_origin(hint) is dict:
            shared |= {"action": _Pairs, "metavar": "KEY=VALUE,…"}
        else:
            shared |= {"nargs": "+", "action": "extend"} if several else {}
            shared["metavar"] = _metavar(hint)
        names = [f"-{key[0]}"] if entry.metadata.get("short") else []
        group.add_argument(*names, _option(key), **shared)


def _required(kind: type) -> list[str]:
    """Return the required arguments, as the usage shows them."""
    words = []
    for entry in dataclasses.fields(kind):
        if entry.metadata.get("positional"):
            words.append(entry.name.upper())
        elif default(entry) is MISSING:
            words.append(f"{_option(entry.name)} {entry.name.upper()}")
    return words


def _metavar(hint: Any) -> str:
    if typing.get_origin(hint) is Literal:
        return "|".join(map(str, typing.get_args(hint)))
    if typing.get_origin(hint) in (list, tuple):
        return _metavar(_bare(typing.get_args(hint)[0]))
    return "TEXT" if hint is str else "N" if issubclass(hint, int) else "X"


def _bare(hint: Any) -> Any:
    """Return a type without its null."""
    if typing.get_origin(hint) in (UnionType, typing.Union):
        return next(kind for kind in typing.get_args(hint) if kind is not type(None))
    return hint


def _option(key: str) -> str:
    return "--" + key.replace("_", "-").replace(".", "-")


def _dashed(word: str) -> str:
    """Return an option with the underscores and dots of its name replaced by dashes."""
    return _OPTION.sub(lambda name: _option(name[0][2:]), word)


def _as_option(
    error: InputError, kind: type, given: Mapping[str, Any], paths: Sequence[Any], command: str
) -> InputError:
    """Return the error with its key in the command line's form, unless a file gave the value."""
    field = error.field or ""
    if error.problem == "missing":
        fields = dataclasses.fields(kind)
        positional = {entry.name for entry in fields if entry.metadata.get("positional")}
        if field not in positional:
            return error.at(field=_option(field), remedy=_see_help(command))
        swallowed = (
            f"put it before {_option(key)}, which takes all words after it"
            for key, value in given.items()
            if isinstance(value, list) and key not in positional
        )
        return error.at(remedy=next(swallowed, _see_help(command)))
    return error.at(field=_option(field)) if field in given else error


def _see_help(command: str) -> str:
    return f"see `relgen {command} --help`"
