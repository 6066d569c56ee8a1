"""Descriptions of relations: by id, by name, and what is refused."""

import json

import pytest

from relgen.common.errors import InputError
from relgen.data.relation_descriptions import (
    Description,
    read_descriptions,
    schema_from_descriptions,
)
from relgen.data.samples import Entity, Sample, write_samples
from relgen.data.schema import Relation

CONTENT = {
    "P9": ["lies on", "water at\nwhose shore it lies"],
    "P2": ["spouse", "No description defined"],
    "P5": ["part of", "a larger whole"],
    "P6": ["part of", "a series"],
}


@pytest.fixture
def descriptions(tmp_path):
    path = tmp_path / "pid2name.json"
    path.write_text(json.dumps(CONTENT))
    return read_descriptions(path)


def _samples(tmp_path, *labels, name="train"):
    path = tmp_path / f"{name}.jsonl"
    rows = [
        Sample(f"{name}-{number}", "Ann, Bo", Entity(0, 3), Entity(5, 7), label)
        for number, label in enumerate(labels)
    ]
    write_samples(path, rows)
    return path


def test_names_and_descriptions_become_explanations(descriptions):
    assert descriptions[:2] == [
        Description("P9", "lies on", "water at whose shore it lies"),
        Description("P2", "spouse", ""),
    ]
    schema = schema_from_descriptions(descriptions, name="wiki")
    assert schema.labels == ("P9", "P2", "P5", "P6")
    assert schema.relations[:2] == (
        Relation(
            "P9",
            "lies on, from the head to the tail: water at whose shore it lies",
            title="lies on",
        ),
        Relation("P2", "spouse, from the head to the tail", title="spouse"),
    )
    # two of one name keep their ids
    assert [relation.shown for relation in schema] == ["lies on", "spouse", "P5", "P6"]
    assert (schema.name, schema.negative) == ("wiki", None)


def test_samples_limit_the_relations_and_keep_the_order(tmp_path, descriptions):
    files = [_samples(tmp_path, "P5", "P2"), _samples(tmp_path, "P2", "P9", name="test")]
    schema = schema_from_descriptions(descriptions, name="wiki", samples=files)
    assert schema.labels == ("P9", "P2", "P5")


def test_labels_that_are_names_stay_names(tmp_path, descriptions):
    files = [_samples(tmp_path, "spouse", "lies on")]
    schema = schema_from_descriptions(descriptions, name="wiki80", samples=files)
    assert schema.labels == ("lies on", "spouse")
    assert schema["spouse"].explanation == "spouse, from the head to the tail"
    assert schema["spouse"].title is None


def test_a_negative_label_needs_no_description(tmp_path, descriptions):
    files = [_samples(tmp_path, "NA", "P2")]
    schema = schema_from_descriptions(descriptions, name="w", samples=files, negative="NA")
    assert (schema.labels, schema.negative) == (("P2", "NA"), "NA")
    assert schema["NA"].explanation.startswith("None of the other relations")
    own = schema_from_descriptions(descriptions, name="w", negative="P2")
    assert own["P2"].explanation == "spouse, from the head to the tail"


@pytest.mark.parametrize(
    ("label", "message"),
    [
        (
            "lie on",
            r"no description for this relation \(got 'lie on'\); did you mean 'lies on'\? describe",
        ),
        ("zzz", r"no description for this relation \(got 'zzz'\); describe it, or .*--negative"),
        ("part of", r"several relations have this name: P5, P6 \(got 'part of'\)"),
    ],
)
def test_unknown_relations_are_one_line(tmp_path, descriptions, label, message):
    path = _samples(tmp_path, "P2", label)
    with pytest.raises(InputError, match=message) as caught:
        schema_from_descriptions(descriptions, name="wiki", samples=[path])
    assert str(caught.value).startswith(f"{path}: field 'relation': ")
    assert "\n" not in str(caught.value)


def test_one_relation_is_no_schema(tmp_path, descriptions):
    with pytest.raises(InputError, match="at least two relations"):
        schema_from_descriptions(descriptions, name="w", samples=[_samples(tmp_path, "P2")])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "must be an object that maps relations to names"),
        ({}, "must be an object that maps relations to names"),
        ({"P1": "crosses"}, r"field 'P1': must be \[name, description\] \(got 'crosses'\)"),
        ({"P1": ["crosses"]}, "field 'P1': must be"),
        ({"P1": ["crosses", None]}, "field 'P1': must be"),
        ({"P1": [" ", "text"]}, "field 'P1': must be"),
    ],
)
def test_other_documents_are_refused(tmp_path, content, message):
    path = tmp_path / "pid2name.json"
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match=message) as caught:
        read_descriptions(path)
    assert str(caught.value).startswith(str(path))
    assert "; write {" in str(caught.value)


@pytest.mark.parametrize("form", ["lines", "array", "one"])
def test_samples_are_no_descriptions(tmp_path, form):
    path = _samples(tmp_path, *(["P1"] if form == "one" else ["P1", "P2"]))
    if form == "array":
        path.write_text(json.dumps(list(map(json.loads, path.read_text().splitlines()))))
    with pytest.raises(InputError) as caught:
        read_descriptions(path)
    assert str(caught.value) == (
        f"{path}: these are samples, where names and descriptions of relations are expected; "
        'write {"P177": ["crosses", "obstacle which …"], …}, and name samples with --samples'
    )


def test_a_schema_is_no_descriptions(tmp_path):
    (path := tmp_path / "schema.yaml").write_text("name: x\n")
    with pytest.raises(InputError, match=r"yaml:1: not valid JSON.*write {.P177.: "):
        read_descriptions(path)
