"""Words outside the entities, and the index of near copies against comparing all pairs."""

from __future__ import annotations

import random

import pytest

from relgen.data import overlap
from relgen.data.overlap import OverlapIndex, context_words, jaccard, word_set
from relgen.data.samples import Entity, Sample
from tests import tiny
from tests.tiny.languages import LANGUAGES, corpus


def test_context_words_leave_the_entities_out() -> None:
    sample = tiny.sentence("Old Rain", " brought: a ", "flood", before="The ", after=", a FLOOD!")
    assert context_words(sample) == {"the", "brought", "a", "flood"}
    assert word_set(sample.text) == {"the", "old", "rain", "brought", "a", "flood"}


def test_context_words_of_nested_entities() -> None:
    sample = Sample("1", "Ann left the University of Bern.", Entity(27, 31), Entity(13, 31), "r")
    assert context_words(sample) == {"ann", "left", "the"}


def test_jaccard() -> None:
    assert jaccard(frozenset("abc"), frozenset("bcd")) == 0.5
    assert jaccard(frozenset(), frozenset()) == 1.0
    assert jaccard(frozenset(), frozenset("a")) == 0.0


def test_letters_and_pairs_count_where_there_are_no_spaces() -> None:
    assert word_set("生まれた 12") == {"生", "ま", "れ", "た", "まれ", "れた", "12"}
    assert word_set("เกิดที่") == {"เ", "กิ", "ด", "ที่", "เกิ", "กิด", "ดที่"}
    assert word_set("生在") == {"生", "在"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_long_texts_about_other_things_overlap_little(language: str) -> None:
    """Of 150 to 350 characters; of the letters alone, the Thai ones share 0.7."""
    texts = [sample.text for sample in corpus(language)]
    births, jobs = word_set(" ".join(texts[:5])), word_set(" ".join(texts[5:]))
    assert jaccard(births, jobs) < 0.36


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.7, 1.0])
def test_index_finds_what_comparing_with_everything_finds(threshold: float) -> None:
    rng = random.Random(1)
    alphabet = [letter * length for letter in "abcdef" for length in (1, 2, 3)]
    sets = [frozenset(rng.sample(alphabet, rng.randint(0, 10))) for _ in range(60)]
    index, found = OverlapIndex(threshold, sets[:30]), []
    for query in sets[30:]:
        near = any(jaccard(query, entry) >= threshold for entry in sets[:30])
        assert index.has_near(query) == near
        found.append(near)
    assert True in found


def test_threshold_is_met_exactly() -> None:
    ten = frozenset("abcdefghij")
    assert OverlapIndex(0.7, [ten]).has_near(frozenset("abcdefg"))
    assert not OverlapIndex(0.71, [ten]).has_near(frozenset("abcdefg"))


@pytest.mark.parametrize("threshold", [0.2, 0.5, 0.7, 0.9, 1.0])
@pytest.mark.parametrize(
    ("words", "longest", "number"), [(12, 9, 400), (20, 16, 300), (200, 150, 80)]
)
def test_a_growing_index_finds_what_comparing_with_everything_finds(
    threshold: float, words: int, longest: int, number: int
) -> None:
    """Half of the sets are an earlier one with some words exchanged; sets have up to 150 words."""
    rng = random.Random(2)
    vocabulary = [f"word{number}" for number in range(words)]
    index, sets, found = OverlapIndex(threshold), [], []
    for _ in range(number):
        entry = frozenset(rng.sample(vocabulary, rng.randint(0, longest)))
        if sets and rng.random() < 0.5:
            copied = sorted(rng.choice(sets))
            kept = rng.sample(copied, round(len(copied) * rng.uniform(threshold, 1)))
            entry = frozenset([*kept, *rng.sample(vocabulary, len(kept) // 9)])
        near = any(jaccard(entry, other) >= threshold for other in sets)
        assert index.has_near(entry) == near
        found.append(near)
        sets.append(entry)
        index.add(entry)
    assert {True, False} <= set(found)


def test_most_sets_are_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(3)
    vocabulary = [f"{'x' * (number % 5)}{number}" for number in range(300)]
    sets = [frozenset(rng.sample(vocabulary, 15)) for _ in range(2_100)]
    index, compared = OverlapIndex(0.7, sets[:2_000]), []
    monkeypatch.setattr(overlap, "jaccard", lambda *pair: compared.append(pair) or jaccard(*pair))
    assert not any(index.has_near(query) for query in sets[2_000:])
    assert len(compared) < 100


def test_most_thai_texts_are_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(3)
    letters = [letter + mark for letter in "นรกทมวสคดลยบ" for mark in ("", "ิ", "่")]
    sets = [word_set("".join(rng.choices(letters, k=60))) for _ in range(1_050)]
    index, compared = OverlapIndex(0.7, sets[:1_000]), []
    monkeypatch.setattr(overlap, "jaccard", lambda *pair: compared.append(pair) or jaccard(*pair))
    assert not any(index.has_near(query) for query in sets[1_000:])
    assert len(compared) < 50


def test_many_copies_are_no_trouble() -> None:
    index = OverlapIndex(0.7, [frozenset("abcdefghijklmnop")] * 300)
    assert index.has_near(frozenset("abcdefghijklmnoq"))
    assert not index.has_near(frozenset("abcdefgh"))
