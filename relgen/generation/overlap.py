"""How much two samples say the same: Jaccard overlap of words, with the entities aside.

`OverlapIndex` finds a near copy among many texts without comparing with each of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from relgen.samples import Sample, normalised


def words(text: str) -> frozenset[str]:
    """The different words of a text, case and punctuation aside."""
    return frozenset(normalised(text).split())


def context_words(sample: Sample) -> frozenset[str]:
    """The different words of a sample outside its two entities."""
    first, second = sorted((sample.head, sample.tail), key=lambda entity: entity.start)
    text = sample.text
    return words(f"{text[: first.start]} {text[first.end : second.start]} {text[second.end :]}")


def jaccard(first: frozenset[str], second: frozenset[str]) -> float:
    """Shared words over all words, 0 to 1; two empty sets are equal."""
    if not first and not second:
        return 1.0
    return len(first & second) / len(first | second)


class OverlapIndex:
    """Sets of words, asked for one that overlaps with a given set.

    Prefix filtering (Chaudhuri et al., ICDE 2006): two sets with an overlap of at least t share one
    of the first n - ceil(t n) + 1 words of each, in any fixed order. With long words first, which
    are rare, a query looks at few sets.

    Args:
        threshold: the overlap from which two sets count as near copies, above 0.
        sets: the first ones to add.
    """

    def __init__(self, threshold: float, sets: Iterable[frozenset[str]] = ()) -> None:
        self._threshold = threshold
        self._sets: list[frozenset[str]] = []
        self._postings: dict[str, list[int]] = {}
        self._has_empty = False
        for entry in sets:
            self.add(entry)

    def add(self, entry: frozenset[str]) -> None:
        """Adds a set."""
        self._has_empty = self._has_empty or not entry
        for word in self._prefix(entry):
            self._postings.setdefault(word, []).append(len(self._sets))
        self._sets.append(entry)

    def has_near(self, query: frozenset[str]) -> bool:
        """Whether a set overlaps with the query by the threshold or more."""
        if not query:
            return self._has_empty
        found = {i for word in self._prefix(query) for i in self._postings.get(word, ())}
        return any(jaccard(query, self._sets[i]) >= self._threshold for i in found)

    def _prefix(self, entry: frozenset[str]) -> list[str]:
        ordered = sorted(entry, key=lambda word: (-len(word), word))
        # the tiny amount keeps rounding (0.7 * 10) from cutting the prefix short
        needed = math.ceil(self._threshold * len(ordered) - 1e-9)
        return ordered[: len(ordered) - needed + 1]
