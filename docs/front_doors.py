"""Writes what the code knows into the pages while the site is built.

`[[relgen.data]]` on a line of a page becomes one mkdocstrings entry for each name in the room's
`__init__.pyi`, and `[[keys of an experiment]]` the table of its keys, so that no page falls behind
the code.
"""

from __future__ import annotations

import ast
import dataclasses
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
KEYS = "[[keys of an experiment]]"
MARK = re.compile(r"^\[\[([\w.]+)\]\]$", re.MULTILINE)


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace the marks of a page; mkdocs calls this for every page."""
    markdown = MARK.sub(lambda mark: room_entries(mark[1]), markdown)
    return markdown.replace(KEYS, experiment_keys()) if KEYS in markdown else markdown


def experiment_keys() -> str:
    """Return the table of an experiment's keys, with defaults and meanings from its dataclass."""
    from relgen.experiments.config import Experiment

    return "\n".join(["| key | default | meaning |", "|---|---|---|", *_rows(Experiment)])


def _rows(kind: Any, prefix: str = "") -> Iterator[str]:
    from relgen.common import SET_ON_READING, field_helps

    helps = field_helps(kind)
    for each in dataclasses.fields(kind):
        if each.metadata == SET_ON_READING:
            continue
        made = each.default_factory is not dataclasses.MISSING
        default = each.default_factory() if made else each.default  # type: ignore[misc]
        key = f"{prefix}{each.name}"
        if dataclasses.is_dataclass(default):
            yield from _rows(type(default), f"{key}.")
        else:
            shown = "" if default is dataclasses.MISSING else f"`{json.dumps(default)}`"
            yield f"| `{key}` | {shown} | {helps[each.name].replace('|', '&#124;')} |"


def room_entries(room: str) -> str:
    """Return the room's docstring and the mkdocstrings entries of its public names."""
    folder = ROOT.joinpath(*room.split("."))
    docstring = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8")))
    entries = [f"::: {name}" for name in public_names(room, folder / "__init__.pyi")]
    return "\n\n".join([docstring or "", *entries])


def public_names(room: str, stub: Path) -> list[str]:
    """Return where each name of a front door is defined, as `relgen.data.samples.Sample`."""
    tree = ast.parse(stub.read_text(encoding="utf-8"))
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    return [f"{room}.{node.module}.{alias.name}" for node in imports for alias in node.names]
