"""The words that virtual words are initialised from; `test_knowprompt` tests the numbers."""

import pytest

from relgen.classifiers.knowprompt_words import label_words, type_counts
from relgen.data.schema import Relation, RelationSchema
from tests.tiny.encoders import SCHEMA, TYPED


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("Cause-Effect(e1,e2)", "cause effect"),
        ("Cause-Effect(e2,e1)", "cause effect reversed"),
        ("founded_by", "founded by"),
        ("per:stateorprovince_of_birth", "person stateorprovince of birth"),
        ("org:top_members/employees", "organization top members employees"),
        ("no_relation", "no relation"),
        ("NA", "no relation"),
        ("Other", "other"),
        ("placeOfBirth", "place of birth"),
        ("P131", "p131"),
        ("???", "???"),
    ],
)
def test_words_of_labels(label, expected):
    assert label_words(label) == expected


def test_types_count_as_often_as_relations_allow_them():
    assert type_counts(TYPED, "head") == {"organization": 1, "person": 1}
    assert type_counts(TYPED, "tail") == {"person": 1, "location": 1, "country": 1}
    twice = RelationSchema(
        "s", (Relation("a", "x", ("CITY_STATE", "P")), Relation("b", "x", ("P", "P")))
    )
    assert type_counts(twice, "head") == {"city state": 1, "p": 2}


def test_without_types_in_the_schema_neutral_ones_count():
    neutral = ("person", "organization", "location", "date", "country")
    for role in ("head", "tail"):
        assert type_counts(SCHEMA, role) == dict.fromkeys(neutral, 1)
