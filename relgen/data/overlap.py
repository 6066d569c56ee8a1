"""Near copies: the overlap of two samples' words, and an index that finds those with much of it."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import combinations

from relgen.data.samples import Sample
from relgen.data.text import words

NEAR_COPY = 0.7
"""The overlap from which two samples count as near copies, if nothing else is chosen."""


def word_set(text: str) -> frozenset[str]:
    """Return the distinct words of a text (see `relgen.data.text.words`)."""
    return frozenset(words(text))


def context_words(sample: Sample) -> frozenset[str]:
    """Return the distinct words of a sample outside its two entities."""
    first, second = sorted((sample.head, sample.tail), key=lambda entity: entity.start)
    text = sample.text
    return word_set(f"{text[: first.start]} {text[first.end : second.start]} {text[second.end :]}")


def jaccard(first: frozenset[str], second: frozenset[str]) -> float:
    """Return |A ∩ B| / |A ∪ B|; 1 for two empty sets."""
    if not first and not second:
        return 1.0
    return len(first & second) / len(first | second)


class OverlapIndex:
    """An exact inverted index of word sets for near-copy queries.

    Two sets with a Jaccard overlap of at least t share ceil(t n) words, n the size of either. With
    the words of all sets sorted in one order, the first d shared words are therefore among the
    first n - ceil(t n) + d of each (prefix filtering: Chaudhuri et al., ICDE 2006; with d above 1:
    Wang, Li and Feng, SIGMOD 2012). Sets are looked up by pairs of such words (d = 2), or
    by single words if a near copy need not share two. Long words come first, since they are rare.

    Args:
        threshold: the overlap from which two sets count as near copies, above 0.
        sets: initial entries.
    """

    def __init__(self, threshold: float, sets: Iterable[frozenset[str]] = ()) -> None:
        self._threshold = threshold
        self._sets: defaultdict[tuple[str, ...], list[frozenset[str]]] = defaultdict(list)
        for entry in sets:
            self.add(entry)

    def add(self, entry: frozenset[str]) -> None:
        for key in self._keys(entry, min(2, self._needed(entry))):
            self._sets[key].append(entry)

    def has_near(self, query: frozenset[str]) -> bool:
        """Return True if the index holds a near copy of the query."""
        return any(
            jaccard(query, entry) >= self._threshold
            for shared in (0, 1, 2)
            for key in self._keys(query, shared)
            for entry in self._sets.get(key, ())
        )

    def _keys(self, entry: frozenset[str], shared: int) -> Iterator[tuple[str, ...]]:
        """Yield the groups of `shared` words by which a near copy is found."""
        order = sorted(entry, key=lambda word: (-len(word), word))
        return combinations(order[: len(order) - self._needed(entry) + shared], shared)

    def _needed(self, entry: frozenset[str]) -> int:
        """Return the number of words that any near copy shares with a set."""
        # the tiny amount keeps rounding (0.7 * 10) from asking for one too many
        return math.ceil(self._threshold * len(entry) - 1e-9)
