"""Samples without relations, and raw texts."""

import json

import pytest

from relgen.common.errors import InputError
from relgen.data.samples import UNLABELLED
from relgen.prediction.inputs import input_checks, read_raw_texts, read_samples_to_predict
from relgen.prediction.pairs import RawText


def checks(path, skip_bad=False):
    return input_checks(path, skip_bad=skip_bad)


def documents(tmp_path, text, **options):
    (tmp_path / "in.txt").write_text(text)
    return list(read_raw_texts(checks(tmp_path / "in.txt", **options)))


def test_a_line_is_a_text(tmp_path):
    found = documents(tmp_path, "One. Two.\n\n  [a] {b}\n")
    assert found == [RawText("in-1", "One. Two."), RawText("in-3", "[a] {b}")]


def test_lines_of_json_have_texts_and_may_have_ids(tmp_path):
    found = documents(tmp_path, '{"text": "One."}\n{"id": "x", "text": "Two.", "more": 1}\n')
    assert found == [RawText("in-1", "One."), RawText("x", "Two.")]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("\n", "no records are in this file; write a text on each line"),
        ('{"text": 3}', r"in.txt:1: field 'text': must be a non-empty string \(got 3\); correct "),
        ('{"text": "a"}\n[]', r"in.txt:2: must be a JSON object"),
        ('{"id": "a", "text": "a"}\n' * 2, "the same id as line 1"),
    ],
)
def test_malformed_texts_are_named(tmp_path, text, said):
    with pytest.raises(InputError, match=said):
        documents(tmp_path, text)


def test_malformed_texts_can_be_left_out(tmp_path):
    text = '{"text": 3}\n{"text": "a"}\n'
    assert documents(tmp_path, text, skip_bad=True) == [RawText("in-2", "a")]


def test_a_text_has_no_marked_entities(tmp_path):
    (tmp_path / "in.txt").write_text("One.")
    with pytest.raises(InputError, match="to find entities in raw text, give --entities"):
        list(read_samples_to_predict(checks(tmp_path / "in.txt")))


def pairs(path, columns=None, **options):
    found = read_samples_to_predict(checks(path, **options), columns=columns)
    return [(sample.id, sample.head_text, sample.tail_text) for sample in found]


def test_mentions_may_be_texts(tmp_path):
    file = tmp_path / "in.jsonl"
    row = '{"text": "Ann left Acme.", "head": "Acme", "tail": {"start": 0, "end": 3}}\n'
    file.write_text(row)
    assert pairs(file) == [("in-1", "Acme", "Ann")]
    file.write_text(row + '{"text": "Ann.", "head": "Bob", "tail": "Ann"}\n')
    with pytest.raises(InputError, match=r"in.jsonl:2: field 'head': the mention is not in"):
        pairs(file)
    assert pairs(file, skip_bad=True) == [("in-1", "Acme", "Ann")]


def test_tables_by_their_ending(tmp_path):
    file = tmp_path / "in.csv"
    file.write_text("sentence,who,firm\nAnn left Acme.,Ann,Acme\n")
    columns = {"text": "sentence", "head": "who", "tail": "firm"}
    assert pairs(file, columns=columns) == [("in-2", "Ann", "Acme")]
    with pytest.raises(InputError, match="no column for text or tokens in the first row"):
        pairs(file)
    with pytest.raises(InputError, match=r"raw text is not read from csv"):
        list(read_raw_texts(checks(file)))
    with pytest.raises(InputError, match=r"'--columns': this file has no columns"):
        pairs(tmp_path / "in.jsonl", columns=columns)


@pytest.mark.parametrize("relation", [None, ""])
def test_an_empty_relation_is_none(tmp_path, relation):
    file = tmp_path / "in.jsonl"
    row = {"id": "a", "text": "Ann met Bo.", "head": "Ann", "tail": "Bo", "relation": relation}
    file.write_text(json.dumps(row))
    (sample,) = read_samples_to_predict(checks(file))
    assert sample.relation == UNLABELLED
