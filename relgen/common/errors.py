"""The exceptions for bad input and for SIGTERM.

The command line prints one line for each, and exits with code 2 or 143.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

MOST_SHOWN = 10
"""Problems of a file that are shown; others are counted."""
_UNSET = object()
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def printable(text: str) -> str:
    """Return a text with escapes for what a terminal acts on: control and bidirectional marks.

    Tabs and line feeds are kept.
    """
    return _UNPRINTABLE.sub(lambda found: ascii(found[0])[1:-1], text)


def refuse_unprintable(text: str, field: str | None = None) -> None:
    """Raise InputError for a name, a path or a word that `printable` would change."""
    if found := _UNPRINTABLE.search(text):
        raise InputError(
            f"contains the character U+{ord(found[0]):04X}, which is not printable",
            field=field,
            value=text,
            remedy="remove it",
        )


class Terminated(KeyboardInterrupt):
    """Raised on SIGTERM, as KeyboardInterrupt is on SIGINT."""


class InputError(ValueError):
    """Input from the user that cannot be used: a file, a value, a configuration.

    Args:
        problem: what is wrong, in plain words.
        path: the file at fault.
        line: its line, counted from 1.
        field: the field, key or option at fault.
        value: the value found there.
        remedy: what the user can do about it.
    """

    def __init__(
        self,
        problem: str,
        *,
        path: str | Path | None = None,
        line: int | None = None,
        field: str | None = None,
        value: object = _UNSET,
        remedy: str | None = None,
    ) -> None:
        self.problem = problem
        self.path = path
        self.line = line
        self.field = field
        self.value = value
        self.remedy = remedy
        name = str(path).replace("\n", "\\n")
        where = "" if path is None else f"{name}:{line}: " if line is not None else f"{name}: "
        what = f"field '{field}': {problem}" if field else problem
        got = "" if value is _UNSET else f" (got {_short(value)})"
        todo = f"; {remedy}" if remedy else ""
        super().__init__(printable(f"{where}{what}{got}{todo}"))

    def at(self, **changes: Any) -> InputError:
        """Return the same error with another `path`, `line`, `field` or `remedy`."""
        names = ("path", "line", "field", "value", "remedy")
        own = {name: getattr(self, name) for name in names}
        return InputError(self.problem, **{**own, **changes})


class CombinedInputError(InputError):
    """Several problems of one file, in its order, the first ten on lines of their own.

    Args:
        errors: the problems.
        others: the number of further ones.
    """

    def __init__(self, errors: list[InputError], others: int = 0) -> None:
        super().__init__("several problems", path=errors[0].path)
        lines = [str(error) for error in errors[:MOST_SHOWN]]
        if others := others + len(errors) - len(lines):
            lines.append(str(InputError(f"and {others} more like these", path=self.path)))
        self.args = ("\n".join(lines),)
        self.errors = errors

    def at(self, **changes: Any) -> InputError:
        """Return this error: its problems name their places."""
        return self


def _short(value: object, limit: int = 200) -> str:
    """Return a value as a literal; a longer one loses its middle, since paths differ at the end."""
    shown = repr(value)
    half = (limit - 1) // 2
    return shown if len(shown) <= limit else f"{shown[:half]}…{shown[-half:]}"
