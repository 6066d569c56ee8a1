"""The tests' layout: they mirror the source, say what they need, and wait on no clock."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("relgen", "lightning_modules", "datamodules", "benchmarks", "docs")
SHIPPED = ("relgen", "lightning_modules", "datamodules")
TESTS = sorted((ROOT / "tests").rglob("test_*.py"))


def sources() -> set[Path]:
    """Return the modules of all packages; `x/__init__.py` is the module `x.py`."""
    files = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    modules = [p.parent.with_suffix(".py") if p.stem == "__init__" else p for p in files]
    return {path.relative_to(ROOT) for path in modules}


def mirrored() -> set[Path]:
    """Return the places at which the test files of all packages expect their modules."""
    files = [path for package in PACKAGES for path in (ROOT / "tests" / package).rglob("test_*.py")]
    return {
        path.relative_to(ROOT / "tests").with_name(path.name.removeprefix("test_"))
        for path in files
    }


def test_every_test_file_has_its_module_at_the_mirrored_place() -> None:
    assert sorted(map(str, mirrored() - sources())) == []


def test_every_module_of_the_product_has_a_test_file() -> None:
    """The benchmarks' helpers are run by the tests of the benchmarks."""
    packages = {path.parent.relative_to(ROOT) for path in ROOT.rglob("*/__init__.py")}
    missing = {path for path in sources() - mirrored() if path.with_suffix("") not in packages}
    assert sorted(str(path) for path in missing if path.parts[0] in SHIPPED) == []


def functions() -> Iterator[tuple[str, ast.FunctionDef, list[str]]]:
    """Yield each function of all packages with its place and the names of its class's bases."""
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            bases = {
                method: [ast.unparse(base) for base in node.bases]
                for node in ast.walk(tree)
                if isinstance(node, ast.ClassDef)
                for method in node.body
            }
            for node in ast.walk(tree):
                if isinstance(node, ast.FunctionDef):
                    place = f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
                    yield place, node, bases.get(node, [])


def test_functions_have_at_most_60_lines() -> None:
    lengths = {place: (node.end_lineno or 0) - node.lineno + 1 for place, node, _ in functions()}
    # a constructor's arguments and their docstring are the settings of a Lightning module
    assert {p: n for p, n in lengths.items() if n > 60 and not p.endswith("__init__")} == {}


def test_constructors_have_at_most_12_arguments() -> None:
    """Those of Lightning's modules have one for each setting that a configuration may name."""
    many = {
        place: len(node.args.args + node.args.kwonlyargs) - 1
        for place, node, bases in functions()
        if node.name == "__init__" and not any("Lightning" in base for base in bases)
    }
    assert {place: number for place, number in many.items() if number > 12} == {}


@pytest.mark.parametrize(
    ("needed", "mark"), [("subprocess.", "processes"), ('environ.get("RELGEN_DATA")', "data")]
)
def test_a_file_that_needs_something_says_so(needed: str, mark: str) -> None:
    silent = [
        str(path.relative_to(ROOT))
        for path in TESTS
        if path != Path(__file__)
        if needed in (text := path.read_text(encoding="utf-8")) and f"mark.{mark}" not in text
    ]
    assert silent == []


def test_no_test_waits_on_a_clock() -> None:
    clocks = re.compile(r"\bsleep\(|\btimeout=[1-9]")
    waiting = ROOT / "tests" / "waiting.py"
    files = [
        path for path in (ROOT / "tests").rglob("*.py") if path not in (waiting, Path(__file__))
    ]
    assert [str(p) for p in files if clocks.search(p.read_text(encoding="utf-8"))] == []
