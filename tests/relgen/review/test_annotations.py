"""Who annotated which task in a tool's file."""

from __future__ import annotations

from typing import Any

import pytest

from relgen.review.annotations import annotations_of, sample_name, source_of

DATA = {"text": "x", "relgen_id": "s"}


@pytest.mark.parametrize(
    ("given", "reviewer", "seconds"),
    [
        ({"completed_by": 4, "lead_time": 2.26}, "label-studio:4", 2.3),
        ({"completed_by": {"id": 4, "email": "ann@x.org"}}, "label-studio:ann@x.org", 0.0),
        ({"completed_by": {"id": 4, "email": ""}, "lead_time": None}, "label-studio:4", 0.0),
        ({}, "label-studio", 0.0),
    ],
)
def test_annotators_of_label_studio(given: dict[str, Any], reviewer: str, seconds: float) -> None:
    cancelled = {"completed_by": 9, "was_cancelled": True}
    record = {"data": DATA, "annotations": [cancelled, given]}
    (one,) = annotations_of("label-studio", [record])
    assert (one.task, one.reviewer, one.seconds, one.rejected) == ("s", reviewer, seconds, False)
    assert one.record == {"data": DATA, "annotations": [given]}


def test_annotators_of_prodigy() -> None:
    task = {"text": "x", "meta": {"relgen_id": "s"}}
    rows = [
        {**task, "answer": "accept", "_annotator_id": "d-ann", "_session_id": "d-1"},
        {**task, "answer": "reject", "_session_id": "d-bob"},
        {**task, "answer": "ignore", "_annotator_id": "d-cem"},
        {**task, "answer": "accept"},
    ]
    assert [(one.reviewer, one.rejected) for one in annotations_of("prodigy", rows)] == [
        ("prodigy:d-ann", False),
        ("prodigy:d-bob", True),
        ("prodigy", False),
    ]


def test_annotators_of_argilla() -> None:
    responses = {
        "relation": [{"value": "r", "user_id": "a"}, {"value": "(reject)", "user_id": "b"}],
        "entities": [{"value": ["spans"], "user_id": "a"}, {"value": [], "user_id": "c"}],
    }
    record = {"id": "s", "fields": {"text": "x"}, "responses": responses}
    given = list(annotations_of("argilla", [record, {**record, "id": "t", "status": "pending"}]))
    assert [(one.task, one.reviewer, one.rejected) for one in given] == [
        ("s", "argilla:a", False),
        ("s", "argilla:b", True),
    ]
    assert given[0].record["responses"] == {"relation": "r", "entities": ["spans"]}


def test_tasks_are_known_by_themselves() -> None:
    foreign = {"id": 7, "project": 3, "data": {"text": "x"}, "annotations": [{}]}
    assert sample_name("label-studio", foreign) is None
    assert source_of("label-studio", [foreign]) == "label-studio:3"
    assert [one.task for one in annotations_of("label-studio", [foreign])] == ["label-studio:3-7"]
    rows = [{"text": "x", "answer": "accept"}, {"text": "y", "answer": "accept"}]
    first, second = (one.task for one in annotations_of("prodigy", rows))
    assert first != second
    assert [one.task for one in annotations_of("prodigy", rows[1:])] == [second]
