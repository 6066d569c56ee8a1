"""The registry of formats."""

from pathlib import Path

import pytest

from relgen.common.errors import InputError
from relgen.data.corpora import FORMATS, ReadOptions, find_corpus, read_corpus
from relgen.data.validation import RecordChecks


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_has_a_reader_that_names_a_missing_file(name, tmp_path):
    with pytest.raises(InputError, match="none") as caught:
        list(read_corpus(name, RecordChecks(tmp_path / "none"), ReadOptions(split_name="train")))
    assert str(caught.value).startswith(str(tmp_path / "none"))


def test_an_unknown_format_names_those_there_are():
    with pytest.raises(InputError, match=r"got 'taged'\); did you mean 'tagged'"):
        list(read_corpus("taged", RecordChecks("a.txt")))
    with pytest.raises(InputError, match=r"no such format \(got 'conll'\); use one of semeval, "):
        list(read_corpus("conll", RecordChecks("a.txt")))


def test_a_corpus_is_looked_for_where_it_is_named_first(tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.txt").touch()
    monkeypatch.chdir(tmp_path)
    assert find_corpus("a.txt") == Path("a.txt")
    monkeypatch.setenv("RELGEN_DATA", "data")
    assert find_corpus("a.txt") == Path("data/a.txt")
    (tmp_path / "a.txt").touch()
    assert find_corpus("a.txt") == Path("a.txt")
