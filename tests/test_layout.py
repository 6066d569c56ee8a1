"""The tests' layout: they mirror the source, say what they need, and wait on no clock."""

from __future__ import annotations

import re
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
    clocks = re.compile(r"\bsleep\(|\btimeout=\d")
    waiting = ROOT / "tests" / "waiting.py"
    files = [
        path for path in (ROOT / "tests").rglob("*.py") if path not in (waiting, Path(__file__))
    ]
    assert [str(p) for p in files if clocks.search(p.read_text(encoding="utf-8"))] == []
