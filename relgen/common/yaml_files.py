"""Reads YAML from outside, with errors that name file and line, and with limits."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any

import yaml

from relgen.common.errors import InputError, printable
from relgen.common.files import read_text

_MOST_BYTES = 10 * 2**20
_DEEPEST = 60
_MOST_NODES = 100_000
"""Nodes of a file, and of an alias after it is replaced by what it stands for."""


def read_yaml(path: str | Path, *, remedy: str | None = None) -> Any:
    """Read a YAML file, and refuse a key given twice.

    Raises InputError if the file cannot be read or is not valid YAML.
    """
    try:
        return load_yaml(read_text(path))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise InputError(
            f"not valid YAML: {getattr(error, 'problem', None) or error}",
            path=path,
            line=None if mark is None else mark.line + 1,
            remedy=remedy,
        ) from error


def load_yaml(text: str, load: Callable[[str], Any] | None = None) -> Any:
    """Return the content of a YAML text, made by another loader if one is given.

    Raises YAMLError for a text that is malformed, too long or nested too deep, gives a key twice,
    has aliases that grow too large or contain themselves, or holds a value that cannot be made.
    """
    if len(text) > _MOST_BYTES:
        raise yaml.YAMLError(f"more than {_MOST_BYTES >> 20} MiB")
    try:
        found = yaml.load(text, Loader=_Loader)
        return found if load is None else load(text)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise yaml.YAMLError(f"a value cannot be read: {' '.join(str(error).split())}") from error


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
        return _line(yaml.compose(read_text(path), Loader=_Loader), field, exact)
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


class _Loader(yaml.SafeLoader):
    """A safe loader with limits, which refuses a key given twice: the second would silently win."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._depth = self._nodes = 0
        self._sizes: dict[int, int] = {}

    def compose_node(self, parent: Any, index: Any) -> yaml.Node | None:
        """Compose a node; raise ComposerError where it is too deep, or too large with aliases."""
        mark = self.peek_event().start_mark
        alias = self.check_event(yaml.AliasEvent)
        self._depth += 1
        if self._depth > _DEEPEST:
            raise yaml.composer.ComposerError(None, None, "nested too deep", mark)
        node: yaml.Node | None = super().compose_node(parent, index)
        self._depth -= 1
        if alias:
            if id(node) not in self._sizes:  # it is being composed
                problem = "an alias that contains itself"
                raise yaml.composer.ComposerError(None, None, problem, mark)
            return node
        self._nodes += 1
        if self._nodes > _MOST_NODES:
            problem = f"more than {_MOST_NODES:,} keys and values"
            raise yaml.composer.ComposerError(None, None, problem, mark)
        size = 1
        if isinstance(node, yaml.MappingNode):
            size += sum(self._sizes[id(one)] for pair in node.value for one in pair)
        elif isinstance(node, yaml.SequenceNode):
            size += sum(self._sizes[id(one)] for one in node.value)
        self._sizes[id(node)] = size
        if size > _MOST_NODES:
            raise yaml.composer.ComposerError(None, None, "aliases that grow too large", mark)
        return node

    def construct_object(self, node: Any, deep: bool = False) -> Any:
        """Make a node's value; raise ConstructorError, with its line, where there is none."""
        try:
            return super().construct_object(node, deep)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            problem = f"a value cannot be read: {' '.join(str(error).split())}"
            mark = node.start_mark
            raise yaml.constructor.ConstructorError(None, None, problem, mark) from error

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=True)
            problem = None
            if not isinstance(key, Hashable):
                problem = f"a key must be a word or a number, not {str(key)[:80]}"
            elif key in seen:
                problem = f"the key '{key}' is given twice"
            if problem:
                raise yaml.constructor.ConstructorError(None, None, problem, key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)

    def construct_scalar(self, node: Any) -> Any:
        """Return a text; raise ConstructorError where an escape makes an unprintable character."""
        text = super().construct_scalar(node)
        if isinstance(text, str) and printable(text) != text:
            problem = "an unprintable character"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
        return text

    def construct_yaml_int(self, node: Any) -> int:
        """Return a whole number; raise ConstructorError above 64 bits."""
        if len(node.value) <= 100:
            number = int(super().construct_yaml_int(node))
            if -(2**63) <= number < 2**64:
                return number
        problem = "a whole number of more than 64 bits"
        raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_yaml_int)
