"""Sentences of raw text, and the pairs of entities in them."""

from relgen.data.samples import Entity
from relgen.data.schema import Relation, RelationSchema
from relgen.prediction.pairs import (
    Fact,
    RawText,
    candidate_pairs,
    in_one_direction,
    without_overlaps,
)

ACME = "Dr. Ann founded Acme. It is in Bern! Bob left."


def test_of_overlapping_entities_the_longest_counts():
    long, part, other = Entity(4, 12, "A"), Entity(4, 8, "B"), Entity(0, 2, "A")
    assert without_overlaps([part, long, other, Entity(4, 12, "C")]) == [other, long]
    crossing, behind, before = Entity(11, 14), Entity(12, 13), Entity(2, 4)
    assert without_overlaps([crossing, behind, long, before]) == [before, long, behind]


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
    found = candidate_pairs(RawText("d", ACME), entities, schema, window=window)
    return [(s.id, s.text, s.head_text, s.tail_text, offset) for s, offset in found]


def test_pairs_are_those_of_a_sentence_that_a_relation_allows():
    assert pairs([ANN, FIRM, BERN, BOB]) == [("d/1", "Dr. Ann founded Acme.", "Acme", "Ann", 0)]


def test_a_window_spans_sentences():
    assert pairs([FIRM, BERN, BOB], window=2) == [
        ("d/1", "Dr. Ann founded Acme. It is in Bern!", "Acme", "Bern", 0)
    ]
    assert pairs([BERN, BOB, FIRM], window=3)[1] == ("d/2", ACME, "Acme", "Bob", 0)
    untyped = RelationSchema("one", (Relation("a", "x"),))
    assert [row[2:4] for row in pairs([BOB, BERN, FIRM, ANN], untyped, window=2)] == [
        ("Ann", "Acme"),
        ("Ann", "Bern"),
        ("Acme", "Ann"),
        ("Acme", "Bern"),
        ("Bern", "Ann"),
        ("Bern", "Acme"),
        ("Bern", "Bob"),
        ("Bob", "Bern"),
    ]


def test_without_types_every_ordered_pair_counts():
    entities = [Entity(4, 7), Entity(16, 20), Entity(31, 35)]
    assert [row[2:4] for row in pairs(entities)] == [("Ann", "Acme"), ("Acme", "Ann")]
    one = RelationSchema("one", (Relation("a", "x"),))
    second = [Entity(22, 24, "X"), Entity(31, 35, "Y")]
    assert pairs(second, one) == [
        ("d/1", "It is in Bern!", "It", "Bern", 22),
        ("d/2", "It is in Bern!", "Bern", "It", 22),
    ]


def test_a_relation_in_both_directions_is_one_fact_and_so_is_its_inverse():
    schema = RelationSchema(
        "s",
        (
            Relation("causes(e1,e2)", "x", undirected="causes"),
            Relation("causes(e2,e1)", "x", undirected="causes"),
            Relation("part_of", "x"),
            Relation("none", "x"),
        ),
        "none",
    )
    facts = [
        Fact("a", 0, 9, "causes(e1,e2)", 0.7),
        Fact("a", 9, 0, "causes(e2,e1)", 0.8),  # the same
        Fact("b", 0, 9, "causes(e1,e2)", 0.7),  # both cannot be true
        Fact("b", 9, 0, "causes(e1,e2)", 0.6),
        Fact("c", 0, 9, "part_of", 0.5),
        Fact("c", 9, 0, "part_of", 0.4),
        Fact("d", 0, 9, "part_of", 0.5),
        Fact("d", 9, 0, "causes(e1,e2)", 0.4),
        Fact("e", 0, 9, "none", 0.9),
        Fact("e", 9, 0, "none", 0.8),
        Fact("f", 0, 9, None, 0.4),
        Fact("f", 9, 0, None, 0.3),
    ]
    assert in_one_direction(facts, schema) == [1, 2, 4, 6, 7, 8, 9, 10, 11]
