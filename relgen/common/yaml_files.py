"""Reads users' YAML files, with errors that name file and line."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from relgen.common.errors import InputError
from relgen.common.files import read_text


def read_yaml(path: str | Path, *, remedy: str | None = None) -> Any:
    """Read a YAML file, and refuse a key given twice.

    Raises InputError if the file cannot be read or is not valid YAML.
    """
    try:
        return yaml.load(read_text(path), Loader=_UniqueKeyLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise InputError(
            f"not valid YAML: {getattr(error, 'problem', None) or error}",
            path=path,
            line=None if mark is None else mark.line + 1,
            remedy=remedy,
        ) from error


def located(error: InputError, path: str | Path) -> InputError:
    """Return the error with its file, and the line of its field, as `key_line` finds it."""
    line = key_line(path, error.field)
    if error.path is None:
        return error.at(path=path, line=line)
    return InputError(str(error), path=path, line=line)


def key_line(path: str | Path, field: str | None, *, exact: bool = False) -> int | None:
    """Return the line of a key in a YAML file, counted from 1.

    Args:
        field: keys joined by dots, and places in lists in brackets, such as `cells[1].shots`. The
            key `init_args` between a class and its arguments may be left out.
        exact: return None unless the whole path is there; else the line of its longest part.
    """
    if not field:
        return None
    try:
        return _line(yaml.compose(read_text(path), Loader=yaml.SafeLoader), field, exact)
    except (InputError, yaml.YAMLError):
        return None


def _line(node: yaml.Node | None, field: str, exact: bool) -> int | None:
    children: list[tuple[str, yaml.Node, yaml.Node]] = []
    if isinstance(node, yaml.SequenceNode):
        children = [(f"[{number}]", child, child) for number, child in enumerate(node.value)]
    elif isinstance(node, yaml.MappingNode):
        children = [(str(key.value), key, child) for key, child in node.value]
    # the longest name first: a relation's may hold dots and brackets
    for name, at, child in sorted(children, key=lambda entry: -len(entry[0])):
        if field == name or field.startswith((f"{name}.", f"{name}[")):
            rest = field[len(name) :].removeprefix(".")
            found = _line(child, rest, exact) if rest else None
            return found or (None if exact and rest else at.start_mark.line + 1)
    inner = [child for name, _, child in children if name == "init_args"]
    return _line(inner[0], field, exact) if inner else None


class _UniqueKeyLoader(yaml.SafeLoader):
    """A safe loader that refuses a key given twice: the second would silently win."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            problem = None
            if not isinstance(key, Hashable):
                problem = f"a key must be a word or a number, not {key}"
            elif key in seen:
                problem = f"the key '{key}' is given twice"
            if problem:
                raise yaml.constructor.ConstructorError(None, None, problem, key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)
