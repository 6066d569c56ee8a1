"""Tasks for annotation tools, which each reads as its own format."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from relgen.common.errors import InputError
from relgen.data.samples import UNLABELLED, Entity
from relgen.review.exports import (
    argilla_record,
    export_tasks,
    label_studio_config,
    label_studio_task,
    prodigy_task,
)

from .people import SAMPLES, SCHEMA, sample

ONE = sample("torn", 0.4, 0.4, 0.2)
PLAIN = replace(ONE, head=Entity(2, 6), scores=None, relation=UNLABELLED)


def test_label_studio() -> None:
    assert label_studio_task(ONE) == {
        "data": {"text": "🙂 Acme was founded by Ann in Bern.", "relgen_id": "torn"},
        "predictions": [
            {
                "model_version": "relgen",
                "score": 0.4,
                "result": [
                    {
                        "id": "head",
                        "from_name": "entities",
                        "to_name": "text",
                        "type": "labels",
                        # in characters, an emoji is one
                        "value": {"start": 2, "end": 6, "text": "Acme", "labels": ["ORG"]},
                    },
                    {
                        "id": "tail",
                        "from_name": "entities",
                        "to_name": "text",
                        "type": "labels",
                        "value": {"start": 22, "end": 25, "text": "Ann", "labels": ["PERSON"]},
                    },
                    {
                        "type": "relation",
                        "from_id": "head",
                        "to_id": "tail",
                        "direction": "right",
                        "labels": ["founded_by"],
                    },
                ],
            }
        ],
    }
    (prediction,) = label_studio_task(PLAIN)["predictions"]
    assert [each["type"] for each in prediction["result"]] == ["labels", "labels"]
    assert prediction["result"][0]["value"]["labels"] == ["entity"]
    assert "score" not in prediction


def test_its_configuration_names_relations_and_types() -> None:
    odd = replace(ONE, head=Entity(2, 6, 'A<"&'))
    view = ElementTree.fromstring(label_studio_config([odd, PLAIN], SCHEMA))
    assert [each.get("value") for each in view.iter("Relation")] == [*SCHEMA.labels]
    assert [each.get("value") for each in view.iter("Label")] == ['A<"&', "PERSON", "entity"]
    assert [each.get("value") for each in view.iter("Text")] == ["$text"]


def test_prodigy() -> None:
    task = prodigy_task(ONE)
    assert [t["text"] for t in task["tokens"]] == [
        *("🙂", "Acme", "was", "founded", "by", "Ann", "in", "Bern", ".")
    ]
    for number, token in enumerate(task["tokens"]):
        assert ONE.text[token["start"] : token["end"]] == token["text"]
        assert token["id"] == number
    assert [token["ws"] for token in task["tokens"]] == [True] * 7 + [False, False]
    head, tail = task["spans"]
    assert head == {
        "text": "Acme",
        "start": 2,
        "end": 6,
        "token_start": 1,
        "token_end": 1,
        "label": "ORG",
    }
    assert task["relations"] == [
        {"head": 1, "child": 5, "head_span": head, "child_span": tail, "label": "founded_by"}
    ]
    assert task["meta"] == {"relgen_id": "torn", "probability": 0.4}
    assert prodigy_task(PLAIN)["relations"] == []


def test_prodigys_tokens_are_cut_where_entities_begin_and_end() -> None:
    inside = replace(
        ONE, text="pre-Acme2 (and Ann-Bo)  😀!", head=Entity(4, 8), tail=Entity(15, 21)
    )
    task = prodigy_task(inside)
    assert [t["text"] for t in task["tokens"]] == [
        *("pre-", "Acme", "2", "(", "and", "Ann-Bo", ")", "😀!")
    ]
    assert [(s["token_start"], s["token_end"]) for s in task["spans"]] == [(1, 1), (5, 5)]
    assert [t["ws"] for t in task["tokens"]] == [
        False,
        False,
        True,
        False,
        True,
        False,
        True,
        False,
    ]


def test_argilla() -> None:
    assert argilla_record(ONE) == {
        "id": "torn",
        "fields": {"text": ONE.text},
        "metadata": {},
        "suggestions": {
            "entities": {
                "value": [
                    {"start": 2, "end": 6, "label": "head"},
                    {"start": 22, "end": 25, "label": "tail"},
                ],
                "score": None,
                "agent": "relgen",
            },
            "relation": {"value": "founded_by", "score": 0.4, "agent": "relgen"},
        },
        "responses": {},
        "vectors": {},
    }
    assert argilla_record(PLAIN)["suggestions"].keys() == {"entities"}


def test_the_most_uncertain_come_first_and_reviewed_ones_not_at_all(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = replace(SAMPLES[0], id="done", review={"reviewer": "ann"})
    nested = replace(SAMPLES[3], id="nested", tail=Entity(2, 25))
    plain = [replace(one, text=one.text.replace("🙂", "“")) for one in SAMPLES]
    out = tmp_path / "tasks.json"
    export_tasks("argilla", [*plain, done, replace(SAMPLES[0], id="emoji")], SCHEMA, out, [])
    assert [row["id"] for row in json.loads(out.read_text())] == [
        "torn",
        "unsure",
        "sure",
        "unread",
    ]
    export_tasks("prodigy", [*SAMPLES, nested], SCHEMA, tmp_path / "tasks.jsonl", [])
    assert len((tmp_path / "tasks.jsonl").read_text().splitlines()) == 4
    with pytest.raises(InputError, match="--force to replace it"):
        export_tasks("label-studio", SAMPLES, SCHEMA, out, [])
    export_tasks("label-studio", SAMPLES, SCHEMA, out, [], force=True)
    export_tasks("label-studio", SAMPLES, SCHEMA, out, [])  # the same again
    assert capsys.readouterr().out.splitlines() == [
        f"4 tasks -> {out}; 1 with emoji or the like, which Argilla counts as two characters, left "
        "out",
        f"4 tasks -> {tmp_path / 'tasks.jsonl'}; 1 with overlapping entities, which Prodigy cannot "
        "show, left out",
        *[f"4 tasks -> {out}; labelling configuration -> {tmp_path / 'tasks.xml'}"] * 2,
    ]
    (tmp_path / "tasks.xml").write_text("<View/>")
    with pytest.raises(InputError, match=r"tasks\.xml: .*review --export` has not written it"):
        export_tasks("label-studio", SAMPLES, SCHEMA, out, [], force=True)
    # what the tool exports under the same name holds somebody's answers
    answered = [task | {"annotations": []} for task in json.loads(out.read_text())]
    out.write_text(json.dumps(answered))
    with pytest.raises(InputError, match=r"tasks\.json: .*review --export` has not written it"):
        export_tasks("argilla", SAMPLES, SCHEMA, out, [], force=True)
    with pytest.raises(InputError, match=r"tasks\.xml: this is an input"):
        export_tasks("label-studio", SAMPLES, SCHEMA, out, [tmp_path / "tasks.xml"])
