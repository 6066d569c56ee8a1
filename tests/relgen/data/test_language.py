"""The language of a few sentences."""

from __future__ import annotations

import pytest

from relgen.data.corpora.everyday import read_split
from relgen.data.language import (
    foreign_language,
    language_code,
    likely_language,
    several_languages,
)
from tests import tiny
from tests.tiny.languages import LANGUAGES, corpus


@pytest.mark.parametrize(("name", "code"), LANGUAGES.items())
def test_the_language_of_a_corpus_and_of_its_sentences(name: str, code: str) -> None:
    for sample in corpus(name):
        assert foreign_language([sample]) in ({None} if name == "English" else {name, ""})
    assert foreign_language(corpus(name)) == (None if name == "English" else name)
    assert language_code(corpus(name)) == code


def test_english_stays_unnamed() -> None:
    samples = read_split("train")
    assert {foreign_language([sample]) for sample in samples} == {None}
    assert {foreign_language(samples[i : i + 4]) for i in range(100)} == {None}
    assert language_code(samples) == "en"


def test_a_language_that_is_not_certain_has_no_name() -> None:
    # Bosnian, Croatian or Serbian
    sample = tiny.tagged("<head>Ana</head> živi u gradu <tail>Zenica</tail>.")
    assert foreign_language([sample]) == ""
    assert language_code([sample]) is None


def test_what_is_no_language_is_not_named() -> None:
    assert foreign_language([tiny.tagged("<head>12</head> + 7 = <tail>19</tail>")]) is None


def test_the_likely_language_may_be_english() -> None:
    assert likely_language(corpus("German")) == "de"
    assert likely_language([tiny.tagged("<head>12</head> + 7 = <tail>19</tail>")]) == "en"
    assert (
        likely_language([tiny.tagged("<head>Ana</head> živi u gradu <tail>Zenica</tail>.")]) is None
    )


@pytest.mark.parametrize("name", LANGUAGES)
def test_one_language_is_not_taken_for_several(name: str) -> None:
    assert several_languages(corpus(name)) is None


def test_several_languages_are_counted() -> None:
    assert several_languages(read_split("train"), []) is None
    thai, greek = corpus("Thai"), corpus("Greek")
    assert several_languages(thai[:4], greek) == "Greek 10, Thai 4"
    assert several_languages(thai[:1], greek) is None
