"""YAML files that users write: read one way, with errors that name file and line."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from relgen.common.errors import InputError
from relgen.common.files import read_text


def read_yaml(path: str | Path, *, remedy: str | None = None) -> Any:
    """Decodes a YAML file; a key given twice is refused.

    Args:
        path: the file.
        remedy: what the user can do when it is no YAML.

    Raises:
        InputError: the file cannot be read or is not valid YAML.
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
    """The error with the file that it is about, and the line of its field.

    Args:
        error: whose `field` is a path of keys such as `generator.samples` or `cells[1].shots`.
        path: the YAML file.
    """
    made = InputError(str(error), path=path, line=key_line(path, error.field))
    made.field = error.field
    return made


def key_line(path: str | Path, field: str | None) -> int | None:
    """The line of a key in a YAML file, counted from 1; of the last part of it that is there.

    Args:
        path: the file.
        field: keys joined by dots, and places in lists in brackets.
    """
    if not field:
        return None
    try:
        node = yaml.compose(read_text(path), Loader=yaml.SafeLoader)
    except (InputError, yaml.YAMLError):
        return None
    line = None
    rest = field
    while rest and node is not None:
        found = None
        if isinstance(node, yaml.SequenceNode) and (place := re.match(r"\.?\[(\d+)\]", rest)):
            number = int(place[1])
            if number < len(node.value):
                found = node.value[number], node.value[number].start_mark.line, place.end()
        elif isinstance(node, yaml.MappingNode):
            bare = rest.removeprefix(".")
            # the longest first: a relation's name may hold dots and brackets
            keys = sorted(node.value, key=lambda pair: -len(str(pair[0].value)))
            for key, value in keys:
                name = str(key.value)
                if bare == name or bare.startswith((f"{name}.", f"{name}[")):
                    end = len(rest) - len(bare) + len(name)
                    found = value, key.start_mark.line, end
                    break
        if found is None:
            break
        node, number, end = found
        line, rest = number + 1, rest[end:]
    return line


class _UniqueKeyLoader(yaml.SafeLoader):
    """A safe loader that refuses a key given twice: the second would silently win."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key '{key}' is given twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)
