"""Label Studio's JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from relgen.common.errors import InputError
from relgen.data.samples import Entity, Sample
from relgen.data.validation import RecordChecks
from tests.relgen.data.corpora.readers import reader, refused_at_the_end

TEXT = "Kite Press was founded by Olu Ade."
READ = reader("labelstudio")


def _region(key: str, start: int, end: int, kind: str) -> dict[str, Any]:
    value = {"start": start, "end": end, "text": TEXT[start:end], "labels": [kind]}
    names = {"from_name": "label", "to_name": "text", "origin": "manual"}
    return {"id": key, "type": "labels", "value": value, **names}


def _relation(direction: str = "right", labels: tuple[str, ...] = ("founded_by",)) -> Any:
    ends = {"from_id": "aa", "to_id": "bb"}
    return {**ends, "type": "relation", "direction": direction, "labels": list(labels)}


def _task(*relations: Any, key: int = 7, **annotation: Any) -> dict[str, Any]:
    regions = [_region("aa", 0, 10, "ORG"), _region("bb", 26, 33, "PER")]
    result = [*regions, *relations]
    done = {"id": 31, "completed_by": 1, "was_cancelled": False, "ground_truth": False}
    return {
        "id": key,
        "annotations": [{**done, "result": result, **annotation}],
        "drafts": [],
        "predictions": [],
        "data": {"text": TEXT},
        "meta": {},
        "created_at": "2026-01-01T10:00:00.000000Z",
        "project": 1,
    }


def _write(tmp_path: Path, *tasks: Any) -> Path:
    path = tmp_path / "project.json"
    path.write_text(json.dumps(tasks), encoding="utf-8")
    return path


def test_an_export(tmp_path: Path) -> None:
    assert list(READ(_write(tmp_path, _task(_relation())))) == [
        Sample(
            "project-7-1",
            TEXT,
            Entity(0, 10, "ORG"),
            Entity(26, 33, "PER"),
            "founded_by",
            group="project-7",
        )
    ]


@pytest.mark.parametrize(
    ("direction", "heads"),
    [("right", ["Kite Press"]), ("left", ["Olu Ade"]), ("bi", ["Kite Press", "Olu Ade"])],
)
def test_directions(direction: str, heads: list[str], tmp_path: Path) -> None:
    path = _write(tmp_path, _task(_relation(direction)))
    assert [sample.head_text for sample in READ(path)] == heads


def test_what_is_said_of_a_region_is_no_region(tmp_path: Path) -> None:
    task = _task(_relation())
    for kind, said in (("choices", ["sure"]), ("textarea", ["a press"])):
        choice = _region("aa", 0, 10, "") | {"type": kind}
        choice["value"] = {"start": 0, "end": 10, "text": TEXT[:10], kind: said}
        choice["value"]["text"] = said if kind == "textarea" else TEXT[:10]
        task["annotations"][0]["result"].append(choice)
    (sample,) = READ(_write(tmp_path, task))
    assert sample.head == Entity(0, 10, "ORG")


def test_several_annotations_and_cancelled_ones(tmp_path: Path) -> None:
    first, second = _task(_relation()), _task(_relation("left"), ground_truth=True)
    first["annotations"] += second["annotations"]
    cancelled = _task(_relation(), key=8, was_cancelled=True)
    checks = RecordChecks(tmp_path / "project.json")
    (sample,) = READ(_write(tmp_path, first, cancelled), checks=checks)
    assert sample.head_text == "Olu Ade"
    assert checks.noted() == [
        "1 record has no annotation: left out; the first: record [2]",
    ]


@pytest.mark.parametrize(
    ("said", "head", "differ"),
    [
        ([(), ("right",)], "Kite Press", True),
        ([("left",), ("right",), ("right",)], "Kite Press", True),
        ([("left",), ("left",)], "Olu Ade", False),
        ([("left",), ()], "Olu Ade", True),
    ],
)
def test_annotators_who_differ(
    said: list[tuple[str, ...]], head: str, differ: bool, tmp_path: Path
) -> None:
    task, *others = (_task(*map(_relation, arrows)) for arrows in said)
    task["annotations"] += [one for other in others for one in other["annotations"]]
    checks = RecordChecks(tmp_path / "project.json")
    (sample,) = READ(_write(tmp_path, task), checks=checks)
    assert sample.head_text == head
    assert checks.noted() == differ * [
        "1 record has annotations that differ: the most frequent counts, or else the first with "
        "relations; the first: record [1]"
    ]


def test_a_record_without_the_named_group_gives_no_sample(tmp_path: Path) -> None:
    path = _write(tmp_path, _task(_relation()))
    read = READ(path, columns={"group": "paper"}, checks=RecordChecks(path, skip_bad=True))
    refused_at_the_end(read, "the only record is malformed")


@pytest.mark.parametrize("negative", [None, "none"])
def test_an_export_without_relations(negative: str | None, tmp_path: Path) -> None:
    message = (
        "no relations are in this file; they are read from results of the type relation .arrows "
        "between regions.; keys that exist: id, annotations, drafts, predictions, data"
    )
    refused_at_the_end(READ(_write(tmp_path, _task(), _task(key=8)), negative=negative), message)
    path = _write(tmp_path, _task(), _task(_relation(), key=8))
    found = [sample.relation for sample in READ(path, negative="none")]
    assert found == ["none", "founded_by"]


def test_fields_for_text_and_group(tmp_path: Path) -> None:
    task = _task(_relation()) | {"meta": {"paper": 12}}
    task["data"] = {"title": "A press", "sentence": TEXT}
    path = _write(tmp_path, task)
    (sample,) = READ(path, columns={"text": "sentence", "group": "paper"})
    assert (sample.text, sample.group) == (TEXT, "12")
    (sample,) = READ(path, columns={"text": "sentence", "group": "title"})
    assert (sample.id, sample.group) == ("project-7-1", "A press")
    with pytest.raises(InputError, match=r"no such field \(got 'titel'\); did you mean 'title'"):
        list(READ(path, columns={"text": "sentence", "group": "titel"}))
    with pytest.raises(InputError, match=r"unknown key \(got 'head'\).* takes text and group"):
        list(READ(path, columns={"head": "title"}))


def test_offsets_that_browsers_count(tmp_path: Path) -> None:
    task = _task(_relation())
    task["data"]["text"] = f"😀 {TEXT}"
    for region in task["annotations"][0]["result"][:2]:
        region["value"] |= {key: region["value"][key] + 3 for key in ("start", "end")}
    (sample,) = READ(_write(tmp_path, task))
    assert (sample.head_text, sample.tail_text) == ("Kite Press", "Olu Ade")


@pytest.mark.parametrize(
    ("task", "message"),
    [
        (_task(_relation(labels=())), "a relation without a label"),
        ({"id": 1, "text": TEXT, "label": []}, "no data and annotations; export as JSON"),
        (_task({"type": "relation", "from_id": "x", "to_id": "bb", "labels": ["r"]}), "got 'x'"),
        (_task(_relation()) | {"data": {"a": "b", "c": "d"}}, "which of these is the text"),
    ],
)
def test_what_cannot_be_read(task: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=rf"project.json: record \[1\]: .*{message}"):
        list(READ(_write(tmp_path, task)))


def test_another_form_of_export_is_one_line(tmp_path: Path) -> None:
    tasks = [{"id": n, "text": TEXT, "label": []} for n in range(3)]
    with pytest.raises(InputError) as refused:
        list(READ(_write(tmp_path, *tasks, _task(_relation(labels=())))))
    first, second = str(refused.value).splitlines()
    assert "record [1]: no data and annotations; export as JSON (JSON-MIN and CSV have no" in first
    assert first.endswith("(and 2 more records like it)")
    assert "record [4]: field 'relation': a relation without a label" in second
