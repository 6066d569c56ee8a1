"""Near copies: the overlap of two samples' words, and an index that finds those with much of it."""

from __future__ import annotations

import math
import sys
from array import array
from collections import Counter
from collections.abc import Collection, Iterable, Sequence

from relgen.data.samples import Sample
from relgen.data.text import compared_words

_SMALL = 256  # sets, below which words are not counted
_NUMBERS = 4  # of 64 bits, in a set's signature
NEAR_COPY = 0.7
"""The overlap from which two samples count as near copies, if nothing else is chosen."""


def word_set(text: str) -> frozenset[str]:
    """Return the distinct words of a text (see `relgen.data.text.compared_words`)."""
    return frozenset(compared_words(text))


def context_words(sample: Sample) -> frozenset[str]:
    """Return the distinct words of a sample outside its two entities."""
    return word_set(" ".join(sample.contexts))


def jaccard(first: frozenset[str], second: Collection[str]) -> float:
    """Return |A ∩ B| / |A ∪ B|; 1 for two empty sets. No word is in the second one twice."""
    if not first and not second:
        return 1.0
    shared = len(first.intersection(second))
    return shared / (len(first) + len(second) - shared)


class OverlapIndex:
    """An exact inverted index of word sets for near-copy queries.

    Two sets with a Jaccard overlap of at least t share ceil(t n) words, n the size of either. With
    the words of all sets sorted in one order, one of these is therefore among the first
    n - ceil(t n) + 1 of each (prefix filtering: Chaudhuri et al., ICDE 2006), and a set is found by
    any of those words. Rare words come first; how rare they are is counted anew, and all sets are
    entered again, whenever the index has grown fourfold.

    Of the sets of a word only those are compared whose signatures, bits set by their words, differ
    in few (bitmap filter: Sandes, Teodoro and Melo, Information Systems 2020): at most (1/t - 1) n
    words are in one of two such sets only. Those of a word's sets are compared all at once.

    Args:
        threshold: the overlap from which two sets count as near copies, above 0.
        sets: initial entries.
    """

    def __init__(self, threshold: float, sets: Iterable[frozenset[str]] = ()) -> None:
        self._threshold = threshold
        self._entries: list[tuple[str, ...]] = []
        self._signatures = array("Q")
        for entry in sets:
            self._keep(entry)
        self._enter_all()

    def add(self, entry: frozenset[str]) -> None:
        self._keep(entry)
        if len(self._entries) >= self._due:
            self._enter_all()
        else:
            self._enter(len(self._entries) - 1)

    def has_near(self, query: frozenset[str]) -> bool:
        """Return True if the index holds a near copy of the query."""
        import numpy as np  # commands that compare no samples start without it

        # the tiny amount keeps rounding from allowing one too few
        most = int((1 / self._threshold - 1) * len(query) + 1e-9)
        own = np.frombuffer(_signature(query), np.uint64)
        signatures = np.frombuffer(self._signatures, np.uint64).reshape(-1, _NUMBERS)
        for word in self._first(query):
            if (found := self._by_word.get(word)) is None:
                continue
            places = np.frombuffer(found, np.uint32)
            few = np.bitwise_count(signatures[places] ^ own).sum(1) <= most
            for place in places[few].tolist():
                if jaccard(query, self._entries[place]) >= self._threshold:
                    return True
        return False

    def _keep(self, entry: frozenset[str]) -> None:
        # interned: each word is kept once for all sets
        self._entries.append(tuple(map(sys.intern, entry)))
        self._signatures.frombytes(_signature(entry))

    def _enter_all(self) -> None:
        self._due = max(_SMALL, 4 * len(self._entries))
        self._counts = Counter(word for entry in self._entries for word in entry)
        self._by_word: dict[str, array[int]] = {}
        for place in range(len(self._entries)):
            self._enter(place)

    def _enter(self, place: int) -> None:
        for word in self._first(self._entries[place]):
            self._by_word.setdefault(word, array("I")).append(place)

    def _first(self, entry: Collection[str]) -> Sequence[str]:
        """Return the words of a set by which its near copies are found."""
        ordered = sorted([(self._counts.get(word, 0), word) for word in entry])
        # the tiny amount keeps rounding (0.7 * 10) from asking for one too many
        needed = math.ceil(self._threshold * len(entry) - 1e-9)
        return [word for _, word in ordered[: len(entry) - needed + 1]] or [""]


def _signature(entry: Iterable[str]) -> bytes:
    bits = 0
    for word in entry:
        bits |= 1 << (hash(word) % (64 * _NUMBERS))
    return bits.to_bytes(8 * _NUMBERS, "little")
