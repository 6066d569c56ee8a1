"""FewRel's document: several mentions, gaps, malformed records."""

import json

import pytest

from relgen.common.errors import InputError
from relgen.data.samples import Entity, Sample
from relgen.data.validation import RecordChecks
from tests.relgen.data.corpora.readers import reader

read = reader("fewrel")


#          0      1         2     3      4     5    6       7
TOKENS = ["The", "Rhine", "at", "Basel", "is", "a", "Rhine", "."]


def _record(head, tail, tokens=TOKENS):
    return {"tokens": tokens, "h": ["rhine", "Q584", head], "t": ["basel", "Q78", tail]}


def _file(tmp_path, content):
    path = tmp_path / "train_wiki.json"
    path.write_text(json.dumps(content), "utf-8")
    return path


def test_takes_the_first_mentions(tmp_path):
    path = _file(tmp_path, {"P206": [_record([[1], [6]], [[3]])]})
    assert list(read(path)) == [
        Sample(
            "fewrel-train_wiki-P206-1",
            "The Rhine at Basel is a Rhine .",
            Entity(4, 9),
            Entity(13, 18),
            "P206",
        )
    ]


def test_mentions_that_overlap_are_passed_over(tmp_path):
    path = _file(tmp_path, {"P206": [_record([[1, 2, 3], [6]], [[3]])]})
    (sample,) = read(path, split_name="val")
    assert sample.id == "fewrel-val-P206-1"
    assert sample.head == Entity(24, 29)
    (nested,) = read(_file(tmp_path, {"P206": [_record([[1, 2, 3]], [[3]])]}))
    assert (nested.head_text, nested.tail_text) == ("Rhine at Basel", "Basel")


def test_all_mentions_make_a_sample_each(tmp_path):
    path = _file(tmp_path, {"P206": [_record([[1, 2, 3], [1], [6]], [[3]])]})
    samples = list(read(path, ambiguous="all-pairs"))
    assert [sample.id for sample in samples] == [
        "fewrel-train_wiki-P206-1-1",
        "fewrel-train_wiki-P206-1-2",
    ]
    assert [sample.head.start for sample in samples] == [4, 24]


def test_indices_with_gaps_span_from_first_to_last(tmp_path):
    path = _file(tmp_path, {"P206": [_record([[1, 0]], [[3, 5]])]})
    (sample,) = read(path)
    assert (sample.head_text, sample.tail_text) == ("The Rhine", "Basel is a")


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ("text", "a sentence must be a JSON object"),
        ({}, "field 'tokens': must be a list of strings"),
        (
            _record([[1]], [[3]], tokens=[]),
            "field 'tokens': must be a list of strings, and not empty",
        ),
        (_record([[1]], "x"), "field 't': must be"),
        (_record([], [[3]]), "field 'h': the entity has no mention"),
        (_record([[]], [[3]]), r"field 'h': a mention must be a list of token indices \(got \[\]"),
        (_record([["1"]], [[3]]), "field 'h': a mention must be a list"),
        (_record([[1]], [[8]]), r"field 't': token offsets.*\[8, 9\]"),
        (_record([[-1]], [[3]]), r"field 'h': token offsets.*\[-1, 0\]"),
        ({**_record([[1]], [[3]]), "t": ["basel"]}, "field 't': must be"),
    ],
)
def test_a_malformed_record_is_named(tmp_path, record, message):
    path = _file(tmp_path, {"P1": [_record([[1]], [[3]])], "P206": [_record([[1]], [[3]]), record]})
    with pytest.raises(InputError, match=message) as caught:
        list(read(path))
    assert str(caught.value).startswith(f"{path}: record P206[2]: ")
    checks = RecordChecks(path, skip_bad=True)
    assert len(list(read(path, checks=checks))) == 2
    assert checks.skipped == 1


@pytest.mark.parametrize("content", [[], {"P1": {}}, "x"])
def test_other_documents_are_refused(tmp_path, content):
    with pytest.raises(InputError, match=r"train_wiki\.json: must be an object that maps"):
        list(read(_file(tmp_path, content)))


def test_an_empty_document(tmp_path):
    with pytest.raises(InputError, match="no records are in this file"):
        list(read(_file(tmp_path, {"P1": []})))
