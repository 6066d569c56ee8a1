"""Word overlap, and the index against comparing with everything."""

from __future__ import annotations

import random

import pytest

from relgen.generation import overlap
from relgen.generation.overlap import OverlapIndex, context_words, jaccard, words
from tests.relgen.generation import tiny


def test_context_words_leave_the_entities_out() -> None:
    sample = tiny.sample("Old Rain", " brought: a ", "flood", before="The ", after=", a FLOOD!")
    assert context_words(sample) == {"the", "brought", "a", "flood"}
    assert words(sample.text) == {"the", "old", "rain", "brought", "a", "flood"}


def test_jaccard() -> None:
    assert jaccard(frozenset("abc"), frozenset("bcd")) == 0.5
    assert jaccard(frozenset(), frozenset()) == 1.0
    assert jaccard(frozenset(), frozenset("a")) == 0.0


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
def test_crowds_find_what_comparing_with_everything_finds(
    threshold: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overlap, "_CROWDED", 2)
    rng = random.Random(2)
    alphabet = [letter * length for letter in "abcdef" for length in (1, 2)]
    index, sets, found = OverlapIndex(threshold), [], []
    for _ in range(400):
        entry = frozenset(rng.sample(alphabet, rng.randint(0, 9)))
        near = any(jaccard(entry, other) >= threshold for other in sets)
        assert index.has_near(entry) == near
        found.append(near)
        sets.append(entry)
        index.add(entry)
    assert {True, False} <= set(found)


def test_comparisons_grow_more_slowly_than_the_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []
    plain = OverlapIndex._overlap

    def counting(self: OverlapIndex, query: frozenset[str], entry: tuple[str, ...]) -> float:
        compared.append(entry)
        return plain(self, query, entry)

    monkeypatch.setattr(OverlapIndex, "_overlap", counting)
    rng = random.Random(3)
    vocabulary = [f"{'x' * (number % 5)}{number}" for number in range(300)]
    sets = [frozenset(rng.sample(vocabulary, 15)) for _ in range(8_100)]

    def comparisons(number: int) -> int:
        index = OverlapIndex(0.7, sets[:number])
        compared.clear()
        assert not any(index.has_near(query) for query in sets[8_000:])
        return len(compared)

    few, many = comparisons(1_000), comparisons(8_000)
    assert many < 5 * few  # of eight times as many sets
    monkeypatch.setattr(overlap, "_CROWDED", 10**9)  # the first word only
    assert comparisons(8_000) > 10 * many


def test_many_copies_are_no_trouble() -> None:
    index = OverlapIndex(0.7, [frozenset("abcdefghijklmnop")] * 300)
    assert index.has_near(frozenset("abcdefghijklmnoq"))
    assert not index.has_near(frozenset("abcdefgh"))
