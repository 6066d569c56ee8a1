"""Writes the Python API's entries while the site is built: every name of a room's front door.

`[[relgen.data]]` on a line of a page becomes one mkdocstrings entry for each name in the room's
`__init__.pyi`, so that the page cannot fall behind the code.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
MARK = re.compile(r"^\[\[([\w.]+)\]\]$", re.MULTILINE)


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace the marks of a page; mkdocs calls this for every page."""
    return MARK.sub(lambda mark: room_entries(mark[1]), markdown)


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
