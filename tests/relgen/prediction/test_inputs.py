"""Samples without relations, and raw texts."""

import pytest

from relgen.common.errors import InputError
from relgen.prediction.inputs import read_documents, read_samples_to_predict
from relgen.prediction.pairs import Document


def documents(tmp_path, text, **options):
    (tmp_path / "in.txt").write_text(text)
    return list(read_documents(tmp_path / "in.txt", **options))


def test_a_line_is_a_text(tmp_path):
    found = documents(tmp_path, "One. Two.\n\n  [a] {b}\n")
    assert found == [Document("in-1", "One. Two."), Document("in-3", "[a] {b}")]


def test_lines_of_json_have_texts_and_may_have_ids(tmp_path):
    found = documents(tmp_path, '{"text": "One."}\n{"id": "x", "text": "Two.", "more": 1}\n')
    assert found == [Document("in-1", "One."), Document("x", "Two.")]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("\n", "the file is empty; write a text on each line"),
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
    assert documents(tmp_path, text, skip_bad=True) == [Document("in-2", "a")]


def test_a_text_has_no_marked_entities(tmp_path):
    (tmp_path / "in.txt").write_text("One.")
    with pytest.raises(InputError, match="to find entities in raw text, give --entities"):
        list(read_samples_to_predict(tmp_path / "in.txt"))
