"""The rooms' rules: who may import whom."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
RULES = [
    ("relgen", {"lightning_modules", "datamodules"}, set()),
    ("relgen", {"lightning"}, {"lightning_cli.py"}),
    ("lightning_modules", {"datamodules"}, set()),
    ("datamodules", {"lightning_modules"}, set()),
]


def imported(file: Path) -> set[str]:
    """The top-level packages that a file imports, wherever in it."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.partition(".")[0])
    return names


@pytest.mark.parametrize(("package", "forbidden", "exempt"), RULES)
def test_packages_do_not_reach_into_each_other(
    package: str, forbidden: set[str], exempt: set[str]
) -> None:
    files = [file for file in (ROOT / package).rglob("*.py") if file.name not in exempt]
    assert files
    assert {str(f): imported(f) & forbidden for f in files if imported(f) & forbidden} == {}
