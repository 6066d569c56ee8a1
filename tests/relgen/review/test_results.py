"""What annotation tools export after a review becomes decisions."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from relgen.common.errors import InputError
from relgen.data.corpora import in_utf16
from relgen.data.samples import Entity, Sample
from relgen.review.exports import REJECT, argilla_record, label_studio_task, prodigy_task
from relgen.review.results import take_over
from relgen.review.session import Session

from .people import SAMPLES, decision, session

SURE, TORN, UNSURE, UNREAD = SAMPLES
LONG = replace(
    UNREAD,
    id="long",
    text="So it is. Acme was founded by Ann. And so on.",
    head=Entity(10, 14, "ORG"),
    tail=Entity(30, 33, "PERSON"),
)


def annotated(sample: Sample, change: Any = None, **others: Any) -> dict[str, Any]:
    """A task of Label Studio as it comes back, its prediction taken over and changed."""
    task = label_studio_task(sample)
    result = copy.deepcopy(task["predictions"][0]["result"])
    if change is not None:
        change(result)
    annotation = {"completed_by": 1, "was_cancelled": False, "result": result, **others}
    return {"id": 7, **task, "annotations": [annotation]}


def label_studio() -> list[dict[str, Any]]:
    def relation(result: Any) -> None:
        result[2]["labels"] = ["lives_in"]

    def entity(result: Any) -> None:
        result[1]["value"].update(start=29, end=33, text="Bern", labels=["entity"])

    return [
        annotated(SURE, lead_time=9.04),
        annotated(TORN, relation),
        annotated(UNSURE, entity),
        annotated(UNREAD, lambda result: result.pop()),
        annotated(LONG, lambda result: result[2].update(direction="left")),
        annotated(SURE, was_cancelled=True) | {"data": {"text": "skipped", "relgen_id": "skipped"}},
        {**label_studio_task(replace(SURE, id="untouched")), "annotations": []},
    ]


def prodigy() -> list[dict[str, Any]]:
    changed, moved, swapped = (prodigy_task(one) for one in (TORN, UNSURE, LONG))
    changed["relations"][0]["label"] = "lives_in"
    bern = {"start": 29, "end": 33, "token_start": 7, "token_end": 7, "label": "entity"}
    moved["relations"][0] |= {"child": 7, "child_span": bern}
    ends = swapped["relations"][0]
    ends |= {"head_span": ends["child_span"], "child_span": ends["head_span"]}
    answers = [prodigy_task(SURE), changed, moved, prodigy_task(UNREAD), swapped]
    given = ("accept", "accept", "accept", "reject", "accept")
    rows = [{**task, "answer": answer} for task, answer in zip(answers, given, strict=True)]
    return [*rows, {**prodigy_task(replace(SURE, id="skipped")), "answer": "ignore"}]


def argilla() -> list[dict[str, Any]]:
    def answer(sample: Sample, relation: str, *spans: tuple[str, int, int]) -> dict[str, Any]:
        record = argilla_record(sample)
        ends = {"head": sample.head, "tail": sample.tail}
        own = [(role, entity.start, entity.end) for role, entity in ends.items()]
        values = []
        for role, start, end in spans or own:
            first, last = in_utf16(sample.text, Entity(start, end))
            values.append({"label": role, "start": first, "end": last})
        record["responses"] = {
            "relation": [{"value": relation, "user_id": "u"}, {"value": "none", "user_id": "v"}],
            "entities": [{"value": values, "user_id": "u"}],
        }
        return record

    return [
        answer(SURE, "founded_by"),
        answer(TORN, "lives_in"),
        answer(UNSURE, "founded_by", ("head", 2, 6), ("tail", 29, 33)),
        answer(UNREAD, REJECT),
        answer(LONG, "founded_by", ("head", 30, 33), ("tail", 10, 14)),
        argilla_record(replace(SURE, id="untouched")),
        answer(replace(SURE, id="draft"), "lives_in") | {"status": "pending"},
    ]


def write(path: Path, rows: list[dict[str, Any]], lines: bool = False) -> Path:
    text = "\n".join(map(json.dumps, rows)) if lines else json.dumps(rows, indent=1)
    path.write_text(text, encoding="utf-8")
    return path


def five(folder: Path) -> Session:
    return session(folder, samples=[*SAMPLES, LONG])


@pytest.mark.parametrize(
    ("tool", "rows", "lines"),
    [
        ("label-studio", label_studio(), False),
        ("prodigy", prodigy(), True),
        ("argilla", argilla(), False),
    ],
)
def test_what_each_tool_says(
    tmp_path: Path, tool: str, rows: Any, lines: bool, capsys: Any
) -> None:
    path = write(tmp_path / "export.json", rows, lines)
    made = five(tmp_path)
    take_over(path, made)
    assert capsys.readouterr().out == f"taken over from {path} ({tool}): 5 decisions\n"
    kept, rejected = made.results()
    sure, torn, unsure, long = kept
    seconds = 9.0 if tool == "label-studio" else 0.0
    review = {"reviewer": tool, "decision": "accepted", "seconds": seconds}
    assert sure == replace(SURE, review=review)
    assert (torn.relation, torn.review["decision"]) == ("lives_in", "changed")
    assert (unsure.tail_text, unsure.relation) == ("Bern", "founded_by")
    assert (unsure.head.type, unsure.tail.type) == ("ORG", None)
    said = made.decisions["long"][tool]
    assert (said.head.type, said.tail.type) == ("PERSON", "ORG")
    assert (long.text, long.head_text, long.tail_text) == (LONG.text, "Ann", "Acme")
    assert [one.id for one in rejected] == ["unread"]
    # read again it says the same
    take_over(path, made)
    assert made.results() == (kept, rejected)
    assert five(tmp_path).results() == (kept, rejected)


def test_more_relations_and_sentences_are_samples_of_their_own(tmp_path: Path, capsys: Any) -> None:
    def more(result: Any) -> None:
        where = {"from_name": "entities", "to_name": "text", "type": "labels"}
        value = {"start": 29, "end": 33, "text": "Bern", "labels": ["entity"]}
        result.append({"id": "bern", **where, "value": value})
        ends = {"from_id": "tail", "to_id": "bern", "direction": "right"}
        result.insert(2, {"type": "relation", **ends, "labels": ["lives_in"]})

    own = annotated(Sample("x", "Bo was here.", Entity(0, 2), Entity(7, 11), "none"))
    del own["data"]["relgen_id"]
    path = write(tmp_path / "export.json", [annotated(TORN, more), own])
    made = session(tmp_path)
    take_over(path, made)
    assert capsys.readouterr().out.endswith("(label-studio): 1 decisions, 2 new samples\n")
    *_, second, third = made.results()[0]
    review = {"reviewer": "label-studio", "decision": "added"}
    assert (second.id, second.text, second.source) == ("torn/2", TORN.text, "generated")
    assert (second.head_text, second.tail_text, second.review) == ("Ann", "Bern", review)
    assert second.scores is None
    assert (third.id, third.source, third.relation) == ("export-7-1", "human", "none")
    assert made.decisions["torn"]["label-studio"].relation == "founded_by"


def test_several_annotators_are_counted(tmp_path: Path, capsys: Any) -> None:
    task = annotated(TORN)
    task["annotations"].append(annotated(replace(TORN, relation="lives_in"))["annotations"][0])
    path = write(tmp_path / "export.json", [task])
    made = session(tmp_path)
    take_over(path, made)
    assert "1 record has several annotations: the ground truth, or else the first" in (
        capsys.readouterr().err
    )
    assert made.decisions["torn"]["label-studio"].relation == TORN.relation


def test_decisions_of_people_stand(tmp_path: Path, capsys: Any) -> None:
    made = session(tmp_path, samples=[replace(SURE, review={"reviewer": "cem"}), TORN])
    made.decide(decision("torn", "ann"))
    take_over(write(tmp_path / "export.json", label_studio()[:2]), made)
    said = "2 decisions left out, since others had decided before\n"
    assert capsys.readouterr().out.endswith(f": {said}")
    assert made.decisions["torn"].keys() == {"ann"}


def _no_tail() -> list[dict[str, Any]]:
    records = argilla()[:1]
    records[0]["responses"]["entities"][0]["value"].pop()
    return records


def _inside_the_emoji() -> list[dict[str, Any]]:
    records = argilla()[:1]
    records[0]["responses"]["entities"][0]["value"][0]["start"] = 1
    return records


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ([], "not an export of one of these tools; export as JSON"),
        ([{"text": "x"}], "not an export of one of these tools"),
        ([3], "not an export of one of these tools"),
        ([annotated(TORN, lambda r: r[2].update(labels=["born_in"]))], "torn: not a relation"),
        (
            [annotated(replace(TORN, text=TORN.text.replace("founded", "invited")))],
            "torn: the text differs",
        ),
        ([annotated(TORN, lambda r: r[2].update(from_id="no"))], "no such entity"),
        (_no_tail(), "field 'sure': needs a text, a head and a tail"),
        (_inside_the_emoji(), r"'head': no place of the text in UTF-16 units \(got \[1, 7\]\)"),
        *(
            (
                [{"id": "a", "fields": {"text": "x"}, "responses": {}} | change],
                "not as argilla writes",
            )
            for change in (
                {"fields": 3, "responses": {"relation": [{"value": "r"}]}},
                {"responses": 4},
                {"responses": {"relation": [{}]}},
                {"responses": {"relation": [{"value": "r"}], "entities": [{"value": [{}]}]}},
            )
        ),
        ([{"data": [1], "annotations": [{}]}], "not as label-studio writes"),
        ([{"data": {"relgen_id": 3}, "annotations": [1]}], "not as label-studio writes"),
        ([{"text": "x", "answer": "accept", "meta": 3}], "not as prodigy writes"),
    ],
)
def test_what_cannot_be_used_is_one_line(tmp_path: Path, rows: Any, problem: str) -> None:
    path = write(tmp_path / "export.json", rows)
    with pytest.raises(InputError, match=problem) as refused:
        take_over(path, session(tmp_path))
    assert str(path) in str(refused.value)
