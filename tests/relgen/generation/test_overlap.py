"""Word overlap, and the index against comparing with everything."""

from __future__ import annotations

import random

import pytest

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
