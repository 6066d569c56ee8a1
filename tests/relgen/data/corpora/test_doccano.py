"""doccano's JSONL with relations."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from relgen.common.errors import InputError
from relgen.data.samples import Entity, Sample
from tests.relgen.data.corpora.readers import reader

TEXT = "Kite Press was founded by Olu Ade."
RECORD: dict[str, Any] = {
    "id": 1,
    "text": TEXT,
    "entities": [
        {"id": 10, "label": "ORG", "start_offset": 0, "end_offset": 10},
        {"id": 11, "label": "PER", "start_offset": 26, "end_offset": 33},
    ],
    "relations": [{"id": 5, "from_id": 10, "to_id": 11, "type": "founded_by"}],
    "Comments": [],
}
READ = reader("doccano")


def test_an_export(tmp_path: Path) -> None:
    path = tmp_path / "admin.jsonl"
    path.write_text(json.dumps(RECORD) + "\n", encoding="utf-8")
    head, tail = Entity(0, 10, "ORG"), Entity(26, 33, "PER")
    assert list(READ(path)) == [
        Sample("admin-1-1", TEXT, head, tail, "founded_by", group="admin-1")
    ]


def test_fields_for_text_and_group(tmp_path: Path) -> None:
    path = tmp_path / "admin.jsonl"
    record = {**RECORD, "text": "", "sentence": TEXT, "page": "p1"}
    path.write_text(json.dumps(record) + "\n", encoding="utf-8")
    (sample,) = READ(path, columns={"text": "sentence", "group": "page"})
    assert (sample.text, sample.group) == (TEXT, "p1")


def test_an_export_without_relations(tmp_path: Path) -> None:
    path = tmp_path / "admin.jsonl"
    path.write_text(json.dumps({"id": 1, "text": TEXT, "label": [[0, 10, "ORG"]]}) + "\n")
    with pytest.raises(InputError, match=r"admin.jsonl:1: .*export as JSONL, from a project with"):
        list(READ(path))


def test_relations_as_lists_are_said_plainly(tmp_path: Path) -> None:
    path = tmp_path / "admin.jsonl"
    path.write_text(json.dumps({**RECORD, "relations": [[10, 11, "founded_by"]]}) + "\n")
    with pytest.raises(InputError, match=r"admin.jsonl:1: not as the tool writes it: a value has"):
        list(READ(path))
