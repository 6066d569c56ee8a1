"""Finds the key that LightningCLI's parser refused, to name it with its file, value and remedy.

jsonargparse's exceptions carry neither the key nor the value, only several lines of prose that
change with its version. So here, once it has refused a command line, the same files and options are
read as one mapping, and each value is checked against the annotation of its argument.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import typing
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningDataModule, LightningModule, Trainer
from lightning.pytorch.cli import LightningCLI

from relgen.cli.trained_options import TrainedOptions
from relgen.common import InputError, checked, key_line, nearest_known, read_merged

_LINKED = "data.model"
"""The required argument that is filled in from `model.model`."""


def locate_error(otherwise: InputError, words: Sequence[str]) -> InputError:
    """Return the error to raise for a command line, from its subcommand on.

    It is `otherwise` where no unusable word or key is found.
    """
    files, options, stray = _given(words)
    values = read_merged(files)
    for key, value in options.items():
        values = _with(values, key.split("."), value)
    try:
        _check_all(words[0], values)
    except InputError as error:
        if otherwise.problem != "missing" or error.problem != "missing":
            return _placed(error, files, options)
    return InputError("unexpected argument", value=stray[0]) if stray else otherwise


def _given(words: Sequence[str]) -> tuple[list[Path], dict[str, str], list[str]]:
    """Return the configuration files of a command line, its other options, and stray words."""
    files, options, stray = [], {}, []
    takes = False
    for word, following in pairwise([*words, ""]):
        name, equals, value = word.partition("=")
        value = value if equals else following
        if name in ("-c", "--config"):
            files.append(Path(value))
        elif name.startswith("--") and name != "--print_config":
            options[name.removeprefix("--").replace("init_args.", "")] = value
        elif not takes and name != "--print_config":
            stray.append(word)
        takes = name.startswith("-") and not equals and name != "--print_config"
    return files, options, stray[1:]  # the first is the subcommand


def _with(values: Any, key: Sequence[str], value: str) -> Any:
    """Return values with one more set below a key; a class is its name alone, or a mapping."""
    if not key:
        return value
    inner = dict(values) if isinstance(values, Mapping) else {}
    if isinstance(values, str):
        inner["class_path"] = values
    if key[0] in (inner.get("init_args") or ()):
        return {**inner, "init_args": _with(inner["init_args"], key, value)}
    return {**inner, key[0]: _with(inner.get(key[0]), key[1:], value)}


def _check_all(subcommand: str, values: Mapping[str, Any]) -> None:
    own = inspect.signature(getattr(Trainer, subcommand)).parameters
    objects = {"self", *LightningCLI.subcommands()[subcommand]}
    known = ["model", "data", "trainer", "seed_everything", *(k for k in own if k not in objects)]
    options = [entry.name for entry in dataclasses.fields(TrainedOptions)]
    for key, value in values.items():
        if key not in known:
            remedy = nearest_known(key, [*known, *options])
            raise InputError("unknown key", field=key, value=value, remedy=remedy)
    for key, kind in (("model", LightningModule), ("data", LightningDataModule)):
        _check(kind | None, values.get(key), key)
        if values.get(key) is None:
            raise InputError("missing", field=key)
    if isinstance(trainer := values.get("trainer"), Mapping):
        _check_arguments(Trainer, trainer, "trainer")
    _check(bool | int | None, values.get("seed_everything"), "seed_everything")


def _check(hint: Any, value: Any, key: str) -> None:
    """Raise InputError if a value, or one nested in it, has the wrong type."""
    if isinstance(value, list):
        for number, item in enumerate(value):
            _check(Any, item, f"{key}[{number}]")
    if not isinstance(value, Mapping):
        checked(hint, value, key)
    elif path := value.get("class_path"):
        module, _, name = str(path).rpartition(".")
        if not module:  # a class that jsonargparse finds by its name alone
            return
        try:
            kind = getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError):
            raise InputError("no such class", field=key, value=path) from None
        bases = tuple(one for one in (hint, *typing.get_args(hint)) if isinstance(one, type))
        if bases and isinstance(kind, type) and not issubclass(kind, bases):
            checked(hint, path, key)
        rest = {k: v for k, v in value.items() if k not in ("class_path", "init_args")}
        _check_arguments(kind, {**(value.get("init_args") or {}), **rest}, key)


def _check_arguments(kind: Any, values: Mapping[str, Any], prefix: str) -> None:
    """Raise InputError for the first argument that a class does not take, cannot use, or lacks."""
    parameters = inspect.signature(kind).parameters
    others = {name for name, p in parameters.items() if p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD)}
    known = [name for name in parameters if name not in others]
    hints = typing.get_type_hints(kind.__init__)
    for name, value in values.items():
        key = f"{prefix}.{name}"
        if name in known:
            _check(hints.get(name, Any), value, key)
        elif not others:
            remedy = nearest_known(key, [f"{prefix}.{one}" for one in known])
            raise InputError("unknown key", field=key, value=value, remedy=remedy)
    # classes further inside may get arguments from the class that makes them
    for name in known if "." not in prefix else ():
        unset = parameters[name].default is inspect.Parameter.empty and name not in values
        if unset and f"{prefix}.{name}" != _LINKED:
            raise InputError("missing", field=f"{prefix}.{name}")


def _placed(error: InputError, files: Sequence[Path], options: Mapping[str, str]) -> InputError:
    """Return the error with its key's file and line, or a remedy for a missing key."""
    key = error.field or ""
    if error.problem == "missing":
        return error.at(remedy=f"give --{key}, or a file with it by -c")
    if any(option.removesuffix(".class_path") == key for option in options):
        return error if "." in key or key == "model" else error.at(field=f"--{key}")
    for file in reversed(files):
        if line := key_line(file, key, exact=True):
            return error.at(path=file, line=line)
    return error
