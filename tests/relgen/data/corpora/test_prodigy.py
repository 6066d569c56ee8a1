"""Prodigy's lines of rel.manual."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from relgen.common.errors import InputError
from relgen.data.samples import Entity, Sample
from relgen.data.validation import RecordChecks
from tests.relgen.data.corpora.readers import reader

TEXT = "Kite Press was founded by Olu Ade."
SPANS = [
    {"text": "Kite Press", "start": 0, "end": 10, "label": "ORG", "token_start": 0, "token_end": 1},
    {"text": "Olu Ade", "start": 26, "end": 33, "label": "PER", "token_start": 5, "token_end": 6},
]
READ = reader("prodigy")


def _record(**others: Any) -> dict[str, Any]:
    relation = {
        "head": 1,
        "child": 6,
        "head_span": SPANS[0],
        "child_span": SPANS[1],
        "color": "#c5bdf4",
        "label": "founded_by",
    }
    return {
        "text": TEXT,
        "_input_hash": -1,
        "_task_hash": 1,
        "_is_binary": False,
        "tokens": [{"text": "Kite", "start": 0, "end": 4, "id": 0, "ws": True, "disabled": False}],
        "_view_id": "relations",
        "relations": [relation],
        "spans": SPANS,
        "answer": "accept",
        "_timestamp": 1,
        **others,
    }


def _write(tmp_path: Path, *records: Any) -> Path:
    path = tmp_path / "db.jsonl"
    path.write_text("".join(f"{json.dumps(each)}\n" for each in records), encoding="utf-8")
    return path


def test_an_export(tmp_path: Path) -> None:
    checks = RecordChecks(tmp_path / "db.jsonl")
    path = _write(tmp_path, _record(answer="reject"), _record())
    head, tail = Entity(0, 10, "ORG"), Entity(26, 33, "PER")
    assert list(READ(path, checks=checks)) == [
        Sample("db-2-1", TEXT, head, tail, "founded_by", group="db-2")
    ]
    assert checks.noted() == ["1 record has the answer 'reject': left out; the first: line 1"]


def test_relations_by_token(tmp_path: Path) -> None:
    path = _write(tmp_path, _record(relations=[{"head": 6, "child": 1, "label": "founder_of"}]))
    (sample,) = READ(path)
    assert (sample.head_text, sample.tail_text) == ("Olu Ade", "Kite Press")


def test_a_relation_of_no_span(tmp_path: Path) -> None:
    path = _write(tmp_path, _record(relations=[{"head": 3, "child": 1, "label": "r"}]))
    with pytest.raises(InputError, match=r"^/.*: field 'relation': no such entity"):
        list(READ(path))


def test_the_text_of_a_span_shows_what_its_offsets_count(tmp_path: Path) -> None:
    spans = [SPANS[0], {**SPANS[1], "start": 28, "end": 35}]  # two emojis before count as four
    relation = {"head": 1, "child": 6, "label": "r"}
    record = _record(text=TEXT.replace("was", "😀😀"), spans=spans, relations=[relation])
    record["spans"][1] |= {"start": 27, "end": 34}
    path = _write(tmp_path, record)
    checks = RecordChecks(path)
    (sample,) = READ(path, checks=checks)
    assert (sample.head_text, sample.tail_text) == ("Kite Press", "Olu Ade")
    assert checks.noted() == [
        "1 mention has offsets that count UTF-16 units: converted; the first: line 1"
    ]


def test_of_several_answers_to_a_task_the_most_frequent_counts(tmp_path: Path) -> None:
    """Annotators who disagree would give samples that contradict each other."""
    other = [{"head": 1, "child": 6, "label": "owned_by"}]
    path = _write(
        tmp_path,
        _record(answer="ignore", _annotator_id="rel-zoe"),
        _record(_annotator_id="rel-bo", relations=other),
        _record(_annotator_id="rel-ann"),
        _record(_annotator_id="rel-cy"),
        _record(_task_hash=2, _annotator_id="rel-bo", relations=other),
    )
    checks = RecordChecks(path)
    assert [(s.id, s.relation) for s in READ(path, checks=checks)] == [
        ("db-3-1", "founded_by"),
        ("db-5-1", "owned_by"),
    ]
    assert checks.noted() == [
        "1 record has the answer 'ignore': left out; the first: line 1",
        "1 record has annotations that differ: the most frequent counts, or else the first with "
        "relations; the first: line 2",
    ]
