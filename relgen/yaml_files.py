"""YAML files that users write: read one way, with errors that name file and line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from relgen.errors import InputError
from relgen.files import read_text


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
