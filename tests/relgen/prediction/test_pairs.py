"""Sentences of raw text, and the pairs of entities in them."""

import pytest

from relgen.data.samples import Entity
from relgen.data.schema import Relation, RelationSchema
from relgen.prediction.pairs import Document, candidate_pairs, sentence_spans, without_overlaps

ACME = "Dr. Ann founded Acme. It is in Bern! Bob left."


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One. Two? 3 men!", ["One.", "Two?", "3 men!"]),
        ("He said “No.” She left.", ["He said “No.”", "She left."]),
        (
            "Dr. Ann met J. Smith of no. 5, e.g. Bern.",
            ["Dr. Ann met J. Smith of no. 5, e.g. Bern."],
        ),
        ("A line\n  another  \n\n", ["A line", "another"]),
        ("これは文です。「次」。", ["これは文です。", "「次」。"]),
        ("Costs 3.5 or v1.2. 'Yes.'", ["Costs 3.5 or v1.2.", "'Yes.'"]),
        ("   ", []),
    ],
)
def test_sentences(text, sentences):
    assert [text[start:end] for start, end in sentence_spans(text)] == sentences


def test_no_sentence_ends_inside_an_entity():
    text = "We met Yahoo! Inc. There it was."
    inside = [Entity(7, 18, "ORG")]
    assert len(sentence_spans(text)) == 3
    assert [text[a:b] for a, b in sentence_spans(text, inside)] == [
        "We met Yahoo! Inc.",
        "There it was.",
    ]


def test_of_overlapping_entities_the_longest_counts():
    long, part, other = Entity(4, 12, "A"), Entity(4, 8, "B"), Entity(0, 2, "A")
    assert without_overlaps([part, long, other, Entity(4, 12, "C")]) == [other, long]


SCHEMA = RelationSchema(
    "s",
    (
        Relation("founded_by", "x", ("ORG",), ("PERSON",)),
        Relation("in", "x", ("ORG",), ("PLACE",)),
        Relation("none", "x"),
    ),
    "none",
)
ANN, FIRM = Entity(4, 7, "PERSON"), Entity(16, 20, "ORG")
BERN, BOB = Entity(31, 35, "PLACE"), Entity(37, 40, "PERSON")


def pairs(entities, schema=SCHEMA, window=1):
    found = candidate_pairs(Document("d", ACME), entities, schema, window=window)
    return [(s.id, s.text, s.head_text, s.tail_text, offset) for s, offset in found]


def test_pairs_are_those_of_a_sentence_that_a_relation_allows():
    assert pairs([ANN, FIRM, BERN, BOB]) == [("d/1", "Dr. Ann founded Acme.", "Acme", "Ann", 0)]


def test_a_window_spans_sentences():
    assert pairs([FIRM, BERN, BOB], window=2) == [
        ("d/1", "Dr. Ann founded Acme. It is in Bern!", "Acme", "Bern", 0)
    ]
    assert pairs([BERN, BOB, FIRM], window=3)[1] == ("d/2", ACME, "Acme", "Bob", 0)


def test_without_types_every_ordered_pair_counts():
    entities = [Entity(4, 7), Entity(16, 20), Entity(31, 35)]
    assert [row[2:4] for row in pairs(entities)] == [("Ann", "Acme"), ("Acme", "Ann")]
    one = RelationSchema("one", (Relation("a", "x"),))
    second = [Entity(22, 24, "X"), Entity(31, 35, "Y")]
    assert pairs(second, one) == [
        ("d/1", "It is in Bern!", "It", "Bern", 22),
        ("d/2", "It is in Bern!", "Bern", "It", 22),
    ]
