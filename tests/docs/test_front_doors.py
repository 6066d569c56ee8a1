"""The hook that writes the Python API's entries, and the pages of the site."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
spec = importlib.util.spec_from_file_location("front_doors", ROOT / "docs" / "front_doors.py")
assert spec is not None
assert spec.loader is not None
front_doors = importlib.util.module_from_spec(spec)
spec.loader.exec_module(front_doors)


def test_a_mark_becomes_the_entries_of_a_front_door() -> None:
    written = front_doors.on_page_markdown("# API\n\n[[relgen.labelling]]\n")
    assert "::: relgen.labelling.run.label\n" in f"{written}\n"
    assert "[[" not in written


def test_the_table_of_keys_comes_from_the_dataclass() -> None:
    rows = front_doors.on_page_markdown("[[keys of an experiment]]").splitlines()
    assert "| `shots` | `8` | Labelled samples per relation (K). |" in rows
    assert "| `generator.samples` | `16` | Accepted samples per relation. |" in rows
    assert not [row for row in rows if row.startswith(("| `source`", "| `name`"))]
    page = (ROOT / "docs" / "experiments.md").read_text(encoding="utf-8")
    assert front_doors.KEYS in page.splitlines()


def test_the_page_has_every_room_that_offers_python() -> None:
    page = (ROOT / "docs" / "python-api.md").read_text(encoding="utf-8")
    rooms = {path.parent.name for path in (ROOT / "relgen").glob("*/__init__.pyi")}
    assert {f"relgen.{room}" for room in rooms - {"common", "kernels"}} | {"relgen"} == set(
        front_doors.MARK.findall(page)
    )


def test_every_page_is_in_the_navigation() -> None:
    content = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    listed = set(re.findall(r"[\w/-]+\.md", str(content["nav"])))
    docs = ROOT / "docs"
    assert listed == {str(page.relative_to(docs)) for page in docs.rglob("*.md")}


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "SECURITY.md"])
def test_links_of_the_pages_outside_of_the_site_exist(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+)", text) if "://" not in link]
    assert [link for link in links if not (ROOT / link).exists()] == []
