"""Checks the files and names in a command's options before anything heavy is imported.

The type of a field says how: `Annotated[str, check]`, where `check(value, options)` raises
InputError. `SchemaName` of `relgen.data` and `ModelName` of `relgen.models` are such types.
"""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterator
from typing import Annotated, Any


def check_inputs(options: Any) -> None:
    """Raise InputError for the first file or name in the options that cannot be used."""
    hints = typing.get_type_hints(type(options), include_extras=True)
    # the command's own files before what its settings name, such as a model on the Hub
    for name, hint in reversed(hints.items()):
        value = getattr(options, name)
        for check in _checks(hint):
            for one in value if isinstance(value, list | tuple) else [value]:
                if one is not None:
                    check(one, options)


def _checks(hint: Any) -> Iterator[Callable[[Any, Any], object]]:
    if typing.get_origin(hint) is Annotated:
        yield from filter(callable, hint.__metadata__)
    for inner in typing.get_args(hint):
        yield from _checks(inner)
