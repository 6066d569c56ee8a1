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
from relgen.data.samples import UNLABELLED, Entity, Sample
from relgen.review.exports import REJECT, argilla_record, label_studio_task, prodigy_task
from relgen.review.results import take_over
from relgen.review.session import Session

from .people import SAMPLES, SCHEMA, decision, session

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
            "relation": [{"value": relation, "user_id": "u"}],
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


def also(task: dict[str, Any], *others: dict[str, Any], by: Any) -> dict[str, Any]:
    """The task with other people's annotations of it as well."""
    for number, other in enumerate(others):
        task["annotations"].append(other["annotations"][0] | {"completed_by": by[number]})
    return task


def take(made: Session, rows: Any, lines: bool = False, name: str = "export.json") -> None:
    take_over(write(made.log.with_name(name), rows, lines), made)


@pytest.mark.parametrize(
    ("tool", "who", "rows", "lines"),
    [
        ("label-studio", "label-studio:1", label_studio(), False),
        ("prodigy", "prodigy", prodigy(), True),
        ("argilla", "argilla:u", argilla(), False),
    ],
)
def test_what_each_tool_says(
    tmp_path: Path, tool: str, who: str, rows: Any, lines: bool, capsys: Any
) -> None:
    path = write(tmp_path / "export.json", rows, lines)
    made = five(tmp_path)
    take_over(path, made)
    assert capsys.readouterr() == (f"taken over from {path} ({tool}): 5 decisions\n", "")
    results = made.results()
    sure, torn, unsure, unread, long = results
    seconds = 9.0 if tool == "label-studio" else 0.0
    review = {"reviewer": who, "decision": "accepted", "seconds": seconds}
    assert sure == replace(SURE, review=review)
    assert (torn.relation, torn.review["decision"]) == ("lives_in", "changed")
    assert (unsure.tail_text, unsure.relation) == ("Bern", "founded_by")
    assert (unsure.head.type, unsure.tail.type) == ("ORG", None)
    said = made.decisions["long"][who]
    assert (said.head.type, said.tail.type) == ("PERSON", "ORG")
    assert (long.text, long.head_text, long.tail_text) == (LONG.text, "Ann", "Acme")
    assert unread.rejected
    # read again it says the same
    log = made.log.read_bytes()
    take_over(path, made)
    assert (made.results(), made.log.read_bytes()) == (results, log)
    assert five(tmp_path).results() == results


def more(result: Any) -> None:
    """Annotate that Ann lives in Bern, too."""
    where = {"from_name": "entities", "to_name": "text", "type": "labels"}
    value = {"start": 29, "end": 33, "text": "Bern", "labels": ["entity"]}
    result.append({"id": "bern", **where, "value": value})
    ends = {"from_id": "tail", "to_id": "bern", "direction": "right"}
    result.insert(2, {"type": "relation", **ends, "labels": ["lives_in"]})


def foreign() -> dict[str, Any]:
    """A task that relgen has not written."""
    task = annotated(Sample("x", "Bo was here.", Entity(0, 2), Entity(7, 11), "none"))
    del task["data"]["relgen_id"]
    return {**task, "project": 3}


def test_more_relations_and_sentences_are_samples_of_their_own(tmp_path: Path, capsys: Any) -> None:
    made = session(tmp_path)
    take(made, [annotated(TORN, more), foreign()])
    assert capsys.readouterr().out.endswith("(label-studio): 1 decision, 2 new samples\n")
    *_, second, third = made.results()
    review = {"reviewer": "label-studio:1", "decision": "added"}
    assert (second.id, second.text, second.source) == ("torn/2", TORN.text, "generated")
    assert (second.head_text, second.tail_text, second.review) == ("Ann", "Bern", review)
    assert second.scores is None
    assert (third.id, third.source, third.relation) == ("label-studio:3-7-1", "human", "none")
    assert third.group == "label-studio:3-7"
    assert made.decisions["torn"]["label-studio:1"].relation == "founded_by"
    # of the task, not of the file
    take(made, [annotated(TORN, more), foreign()], name="again.json")
    assert made.results()[-2:] == [second, third]


def two_who_disagree() -> list[list[dict[str, Any]]]:
    """Of each tool, the same task twice: ann changes the relation, bob accepts what is there."""
    theirs = annotated(TORN, lambda r: r[2].update(labels=["lives_in"]), lead_time=8)
    ann, bob = {"id": 5, "email": "ann@x.org"}, {"id": 6, "email": ""}
    theirs["annotations"][0]["completed_by"] = ann
    studio = also(theirs, annotated(TORN, lead_time=3), by=[bob])
    first, second = prodigy_task(TORN), prodigy_task(TORN)
    first["relations"][0]["label"] = "lives_in"
    rows = [
        {**task, "answer": "accept", "_annotator_id": f"d-{who}"}
        for task, who in ((first, "ann"), (second, "bob"))
    ]
    record = argilla()[1]
    (entities,) = record["responses"]["entities"]
    record["responses"] = {
        "relation": [
            {"value": "lives_in", "user_id": "a"},
            {"value": "founded_by", "user_id": "b"},
        ],
        # in another order
        "entities": [entities | {"user_id": "b"}, entities | {"user_id": "a"}],
    }
    return [[studio], rows, [record]]


@pytest.mark.parametrize(
    ("rows", "ann", "bob", "seconds"),
    zip(
        two_who_disagree(),
        ("label-studio:ann@x.org", "prodigy:d-ann", "argilla:a"),
        ("label-studio:6", "prodigy:d-bob", "argilla:b"),
        ([8.0, 3.0], [0.0, 0.0], [0.0, 0.0]),
        strict=True,
    ),
)
def test_each_annotator_is_a_reviewer(
    tmp_path: Path, rows: Any, ann: str, bob: str, seconds: list[float]
) -> None:
    made = session(tmp_path)
    take(made, rows, lines=len(rows) > 1)
    given = made.decisions["torn"]
    assert [given[who].relation for who in (ann, bob)] == ["lives_in", "founded_by"]
    assert [given[who].seconds for who in (ann, bob)] == seconds
    assert made.progress()["kinds"] == {"disputed": 1}
    assert TORN in made.results()
    # a third one at the page decides, as between people who disagree there
    assert made.current("cem") == TORN
    made.decide(decision("torn", "cem", relation="lives_in"))
    (torn,) = (one for one in made.results() if one.id == "torn")
    assert (torn.relation, torn.review["reviewer"]) == ("lives_in", ", ".join(sorted([ann, "cem"])))
    take(made, rows, lines=len(rows) > 1)
    assert torn in made.results()


def test_most_annotators_have_their_way_in_label_studio(tmp_path: Path, capsys: Any) -> None:
    def other(result: Any) -> None:
        result[2]["labels"] = ["lives_in"]

    made = session(tmp_path)
    task = also(annotated(TORN), annotated(TORN, more), annotated(TORN, other), by=[2, 3])
    take(made, [task, also(foreign(), foreign(), by=[2])])
    *_, added = made.results()
    assert "1 new samples left out, as the annotators disagree" in capsys.readouterr().out
    torn = next(one for one in made.results() if one.id == "torn")
    assert (torn.relation, torn.review["reviewer"]) == (
        "founded_by",
        "label-studio:1, label-studio:2",
    )
    assert added.review["reviewer"] == "label-studio:1, label-studio:2"
    # the ground truth counts alone
    task["annotations"][2]["ground_truth"] = True
    take(made, [task])
    assert made.decisions["torn"].keys() == {"label-studio:3"}
    # of one who annotated it twice, the last
    task["annotations"] = [one | {"completed_by": 4} for one in task["annotations"]]
    del task["annotations"][2]["ground_truth"]
    take(made, [task])
    assert made.decisions["torn"]["label-studio:4"].relation == "lives_in"


def test_a_later_export_takes_the_place_of_the_earlier_one(tmp_path: Path, capsys: Any) -> None:
    made = five(tmp_path)
    made.write("ann", "Ben lives in Rome.", "lives_in", Entity(0, 3), Entity(13, 17))
    take(made, [annotated(SURE), annotated(TORN, more), annotated(UNSURE), foreign()])
    capsys.readouterr()
    # one was deleted, one annotation cancelled, one relation removed
    later = [annotated(SURE, was_cancelled=True), annotated(TORN), annotated(LONG)]
    take(made, later, name="later.json")
    assert capsys.readouterr().out.endswith(
        "2 decisions, 4 withdrawn, as the export no longer has them (one of all tasks brings those "
        "back that it has)\n"
    )
    (tmp_path / "other").mkdir()
    only = five(tmp_path / "other")
    only.write("ann", "Ben lives in Rome.", "lives_in", Entity(0, 3), Entity(13, 17))
    take(only, later)
    assert made.results() == only.results() == five(tmp_path).results()
    assert made.decisions == only.decisions
    assert made.progress() == only.progress() == five(tmp_path).progress()
    # another project, or another tool, says nothing of this one
    take(made, [annotated(UNSURE) | {"project": 4}])
    take(made, prodigy()[3:4], lines=True)
    assert {name for name, given in made.decisions.items() if given} == {
        *("torn", "long", "unsure", "unread")
    }


def by(who: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Tasks of Prodigy as an annotator did them in a data set of their own."""
    return [row | {"_annotator_id": f"set_{who}-{who}"} for row in rows]


def test_each_data_set_of_prodigy_stands_for_itself(tmp_path: Path, capsys: Any) -> None:
    made, rows = five(tmp_path), prodigy()
    own = {"text": "Bo ran.", "tokens": [], "spans": [], "answer": "accept"}
    head, tail = ({"start": a, "end": b, "label": "X"} for a, b in ((0, 2), (3, 6)))
    own["relations"] = [{"head_span": head, "child_span": tail, "label": "none"}]
    take(made, by("ann", [*rows[:2], own]), lines=True)
    take(made, by("bob", [*rows[1:3], own]), lines=True)
    said = "2 decisions, 1 new samples left out, as the same entities are a sample already\n"
    assert capsys.readouterr().out.endswith(said)
    both = {name: sorted(given) for name, given in made.decisions.items() if given}
    ann, bob = "prodigy:set_ann-ann", "prodigy:set_bob-bob"
    assert both == {"sure": [ann], "torn": [ann, bob], "unsure": [bob]}
    # a later one of the same data set takes the place of its earlier one
    take(made, by("ann", rows[1:2]), lines=True)
    withdrawn = "1 decision, 2 withdrawn, as the export no longer has them (one of all tasks"
    assert withdrawn in capsys.readouterr().out
    assert (made.decisions["sure"], sorted(made.decisions["torn"])) == ({}, [ann, bob])
    assert five(tmp_path).decisions == made.decisions


def test_each_data_set_of_argilla_stands_for_itself(tmp_path: Path) -> None:
    made, rows = five(tmp_path), argilla()
    take(made, rows[:2])
    take(made, rows[2:3])  # by the same user
    take(made, [rows[1] | {"responses": {}}])
    assert [name for name, given in made.decisions.items() if given] == ["unsure", "sure"]


def bare_tasks(one: Sample) -> list[list[dict[str, Any]]]:
    """A task of a sample without a relation, accepted without one in each tool."""
    return [[annotated(one)], [prodigy_task(one) | {"answer": "accept"}]]


@pytest.mark.parametrize("tool", [0, 1])
def test_no_relation_where_there_was_none_is_the_negative_label(tmp_path: Path, tool: int) -> None:
    raw = replace(SURE, relation=UNLABELLED, scores=None)
    made = session(tmp_path, samples=[raw])
    take(made, bare_tasks(raw)[tool])
    (found,) = made.results()
    assert (found.relation, found.rejected) == ("none", False)
    # a schema without such a label has no word for it
    made = Session([raw], replace(SCHEMA, negative=None), tmp_path / "b.log.jsonl")
    take(made, bare_tasks(raw)[tool])
    assert made.results()[0].rejected
    if tool == 1:
        made = Session([raw], SCHEMA, tmp_path / "c.log.jsonl")
        take(made, [prodigy_task(raw) | {"answer": "reject"}])
        assert made.results()[0].rejected


def test_decisions_of_people_stand(tmp_path: Path, capsys: Any) -> None:
    made = session(tmp_path, samples=[replace(SURE, review={"reviewer": "cem"}), TORN])
    made.decide(decision("torn", "ann"))
    take(made, [annotated(SURE), annotated(TORN, more)])
    said = "0 decisions, 2 left out, as others had decided before\n"
    assert capsys.readouterr().out.endswith(f": {said}")
    assert made.decisions["torn"].keys() == {"ann"}
    assert made.added == {}


def test_what_is_not_finished_is_left_out_and_named(tmp_path: Path, capsys: Any) -> None:
    made = session(tmp_path)
    bare = annotated(TORN, lambda result: result[2].update(labels=[]))
    take(made, [bare, annotated(SURE), annotated(UNSURE, lambda r: r[2].update(from_id="no"))])
    said, warned = capsys.readouterr()
    assert said.endswith(": 1 decision, 2 left out, as they cannot be read\n")
    first, second = warned.splitlines()
    assert "record torn (label-studio:1): field 'relation': a relation without a label" in first
    assert first.startswith(f"warning: {tmp_path}")
    assert "record unsure (label-studio:1): field 'relation': no such entity (got 'no')" in second
    assert [name for name, given in made.decisions.items() if given] == ["sure"]
    records = argilla()
    del records[0]["responses"]["entities"]
    take(made, records[:3])
    assert "needs a head and a tail" in capsys.readouterr().err


def test_what_cannot_be_used_changes_nothing(tmp_path: Path) -> None:
    made = session(tmp_path)
    take(made, [annotated(UNREAD)])
    log, results = made.log.read_bytes(), made.results()
    born = annotated(TORN, lambda result: result[2].update(labels=["born_in"]))
    other = annotated(replace(UNSURE, text=UNSURE.text.replace("founded", "invited")))
    with pytest.raises(InputError) as refused:
        take(made, [annotated(SURE), born, other, annotated(UNREAD)])
    first, second = str(refused.value).splitlines()
    assert "record torn: field 'relation': not a relation of schema 's' (got 'born_in')" in first
    assert "record unsure: field 'text': the text differs from the sample's" in second
    assert (made.log.read_bytes(), made.results()) == (log, results)


def test_results_of_other_samples(tmp_path: Path, capsys: Any) -> None:
    made = session(tmp_path, samples=[SURE, TORN])
    problem = "of its 3 tasks, 1 are of the samples under review; give the samples whose tasks"
    with pytest.raises(InputError, match=problem):
        take(made, [annotated(SURE), annotated(UNSURE), annotated(UNREAD)])
    with pytest.raises(InputError, match="of its 1 task, 0 are of the samples"):
        take(made, [foreign()])
    assert made.progress()["done"] == 0
    take(made, [annotated(SURE), annotated(TORN), annotated(UNSURE), foreign(), foreign()])
    assert capsys.readouterr().out.endswith(
        ": 2 decisions, 1 new sample, 1 left out, as their samples are not under review\n"
    )


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
        ([], "no tasks are in this export"),
        ([{"text": "x"}], "not an export of one of these tools; export as JSON"),
        ([3], "not an export of one of these tools"),
        ([annotated(TORN, lambda r: r[2].update(labels=["born_in"]))], "torn: .*not a relation"),
        (
            [annotated(replace(TORN, text=TORN.text.replace("founded", "invited")))],
            "torn: .*the text differs",
        ),
        ([annotated(TORN, lambda r: r[2].update(from_id="no"))], "no such entity"),
        (_no_tail(), r"sure \(argilla:u\): field 'entities': needs a head and a tail"),
        (_inside_the_emoji(), r"'head': no place of the text in UTF-16 units \(got \[1, 7\]\)"),
        *(
            (
                [{"id": "torn", "fields": {"text": "x"}, "responses": {}} | change],
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
        ([{"data": {"relgen_id": "torn"}, "annotations": [1]}], "not as label-studio writes"),
        ([{"text": "x", "answer": "accept", "meta": 3}], "not as prodigy writes"),
    ],
)
def test_what_cannot_be_used_is_one_line(tmp_path: Path, rows: Any, problem: str) -> None:
    path = write(tmp_path / "export.json", rows)
    with pytest.raises(InputError, match=problem) as refused:
        take_over(path, session(tmp_path))
    assert str(path) in str(refused.value)


def test_a_file_that_is_no_json_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("a;b\n")
    with pytest.raises(InputError, match=r"x\.csv:1: not valid JSON"):
        take_over(tmp_path / "x.csv", five(tmp_path))
