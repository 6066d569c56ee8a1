"""Documents with entities and relations: sentences, crossing relations, unrelated pairs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from relgen.common.errors import InputError
from relgen.data.corpora.documents import Document, Link, Mention, samples
from relgen.data.corpora.reading import ReadOptions
from relgen.data.samples import Entity, Sample
from relgen.data.validation import RecordChecks
from tests.relgen.data.corpora.readers import reader

TEXT = "Ann runs Acme in Bern. Bo likes it.\nThe end."
MENTIONS = {
    "T1": Mention(0, 3, "PER", "Ann"),
    "T2": Mention(9, 13, "ORG", "Acme"),
    "T3": Mention(17, 21, "LOC", "Bern"),
    "T4": Mention(23, 25, "PER", "Bo"),
}


def read(*links: Link, mentions: Any = MENTIONS, text: str = TEXT, **options: Any) -> Any:
    checks = RecordChecks(Path("a.ann"))
    found = list(samples(Document("a", 1, text, mentions, links), checks, ReadOptions(**options)))
    checks.finish()
    return found, checks.noted()


def test_a_sample_is_a_pair_in_a_sentence() -> None:
    found, noted = read(Link("T2", "T1", "run_by", 7), Link("T2", "T3", "in", 8))
    sentence, acme = "Ann runs Acme in Bern.", Entity(9, 13, "ORG")
    assert found == [
        Sample("a-1", sentence, acme, Entity(0, 3, "PER"), "run_by", group="a"),
        Sample("a-2", sentence, acme, Entity(17, 21, "LOC"), "in", group="a"),
    ]
    assert noted == []


def test_a_relation_across_sentences_keeps_those_between() -> None:
    found, noted = read(Link("T4", "T2", "likes", 7))
    assert found == [
        Sample(
            "a-1",
            "Ann runs Acme in Bern. Bo likes it.",
            Entity(23, 25, "PER"),
            Entity(9, 13, "ORG"),
            "likes",
            group="a",
        )
    ]
    assert noted == [
        "1 relation crosses sentences; the text holds all from one to the other; the first: line 7"
    ]


def test_unrelated_pairs_of_a_sentence_are_samples_of_the_negative_label() -> None:
    found, _ = read(Link("T2", "T1", "run_by", 7), negative="none")
    assert [(s.id, s.head_text, s.tail_text, s.relation) for s in found] == [
        ("a-1", "Acme", "Ann", "run_by"),
        ("a-2", "Ann", "Bern", "none"),
        ("a-3", "Acme", "Bern", "none"),
    ]


def test_related_pairs_of_which_no_sample_was_made_are_not_negative() -> None:
    checks, text = RecordChecks(Path("a.ann")), "Ann runs Acme in Bern. Bo likes it.\nAnn has Acme."
    mentions = {**MENTIONS, "T5": Mention(36, 39, "PER"), "T6": Mention(44, 48, "ORG")}
    related = [(["T1", "T5"], ["T2", "T6"])]
    document = Document("a", 1, text, mentions, [Link("T1", "T2", "runs")], related=related)
    found = list(samples(document, checks, ReadOptions(negative="none")))
    assert [(s.head_text, s.tail_text, s.relation) for s in found] == [
        ("Ann", "Acme", "runs"),
        ("Ann", "Bern", "none"),
        ("Acme", "Bern", "none"),
    ]


def test_nested_and_identical_entities_are_kept() -> None:
    text = "University of Bern"
    mentions = {1: Mention(0, 18, "ORG"), 2: Mention(14, 18, "LOC"), 3: Mention(14, 18, "GPE")}
    found, _ = read(Link(1, 2, "in"), Link(2, 3, "same"), mentions=mentions, text=text)
    assert [(s.head_text, s.tail_text) for s in found] == [(text, "Bern"), ("Bern", "Bern")]


def test_offsets_of_another_unit() -> None:
    text, mentions = (
        "😀 Ann met Bo",
        {1: Mention(3, 6, None, "Ann"), 2: Mention(11, 13, None, "Bo")},
    )
    found, noted = read(Link(1, 2, "met"), mentions=mentions, text=text)
    assert (found[0].head, found[0].tail) == (Entity(2, 5), Entity(10, 12))
    assert noted[0].startswith("2 mentions have offsets that count UTF-16 units: converted")
    without = {key: mention._replace(text=None) for key, mention in mentions.items()}
    found, _ = read(Link(1, 2, "met"), mentions=without, text=text, offsets="utf16")
    assert (found[0].head_text, found[0].tail_text) == ("Ann", "Bo")


@pytest.mark.parametrize(
    ("link", "message"),
    [
        (
            Link("T1", "T9", "r", 7),
            r"a\.ann:7: .*no such entity \(got 'T9'\); mark it in the document",
        ),
        (Link("T1", "T2", " "), r"a\.ann:1: .*a relation without a label; give it one in the tool"),
    ],
)
def test_a_malformed_relation_names_its_line(link: Link, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(link)


SPAN = {"start": 0, "end": 3}
REGIONS = [
    {"id": "a", "type": "labels", "value": {**SPAN, "labels": ["PER"]}},
    {"id": "b", "type": "labels", "value": {"start": 9, "end": 13, "labels": ["ORG"]}},
    {"id": "c", "type": "labels", "value": {"start": "/p", "end": 3, "labels": ["X"]}},
    {"type": "relation", "from_id": "a", "to_id": "c", "labels": ["bad"]},
    {"type": "relation", "from_id": "a", "to_id": "b", "labels": 5},
    {"type": "relation", "from_id": "a", "to_id": "b", "labels": ["runs"]},
]
WORDS = ["Ann", "runs", "Acme", "in", "Bern", "."]


@pytest.mark.parametrize(
    ("form", "record"),
    [
        ("labelstudio", {"data": {"text": TEXT}, "annotations": [{"result": REGIONS}]}),
        (
            "doccano",
            {
                "text": TEXT,
                "entities": [
                    {"id": 1, "start_offset": 0, "end_offset": 3},
                    {"id": 2, "start_offset": 9, "end_offset": 13},
                    {"id": 3, "start_offset": 9},
                ],
                "relations": [
                    {"from_id": 1, "to_id": 3, "type": "bad"},
                    [1, 2, "bad"],
                    {"from_id": 1, "to_id": 2, "type": "runs"},
                ],
            },
        ),
        (
            "prodigy",
            {
                "text": TEXT,
                "relations": [
                    {"head_span": SPAN, "child_span": {"start": 9, "end": "13"}, "label": "bad"},
                    "bad",
                    {"head_span": SPAN, "child_span": {"start": 9, "end": 13}, "label": "runs"},
                ],
            },
        ),
        (
            "spert",
            {
                "tokens": WORDS,
                "entities": [{"start": 0, "end": 1}, {"start": 2, "end": 3}, {"start": 9}],
                "relations": [
                    {"head": 0, "tail": 2, "type": "bad"},
                    5,
                    {"head": 0, "tail": 1, "type": "runs"},
                ],
            },
        ),
        (
            "dygie",
            {
                "sentences": [WORDS],
                "ner": [[[0, 0, "PER"], [2, 2, "ORG"], [7, 7, "X"]]],
                "relations": [[[0, 0, 7, 7, "bad"], [0, 0, "bad"], [0, 0, 2, 2, "runs"]]],
            },
        ),
    ],
)
def test_what_is_malformed_costs_no_other_relation_of_its_document(
    form: str, record: Any, tmp_path: Path
) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps([record]), encoding="utf-8")
    checks = RecordChecks(path, skip_bad=True)
    (sample,) = reader(form)(path, checks=checks)
    assert (sample.head_text, sample.tail_text, sample.relation) == ("Ann", "Acme", "runs")
    assert checks.skipped == 3
