"""Near copies: the overlap of two samples' words, and an index that finds those with much of it."""

from __future__ import annotations

import math
import sys
from array import array
from collections import Counter
from collections.abc import Collection, Iterable, Sequence

from relgen.data.samples import Sample
from relgen.data.text import words

_SMALL = 256  # sets, below which words are not counted
_BITS, _FOLDED = 192, 64  # of a set's signature
NEAR_COPY = 0.7
"""The overlap from which two samples count as near copies, if nothing else is chosen."""


def word_set(text: str) -> frozenset[str]:
    """Return the distinct words of a text (see `relgen.data.text.words`)."""
    return frozenset(words(text))


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
    words are in one of two such sets only. Signatures folded to 64 bits are compared all at once,
    and those that pass, as most do for sets of above 60 words, in full.

    Args:
        threshold: the overlap from which two sets count as near copies, above 0.
        sets: initial entries.
    """

    def __init__(self, threshold: float, sets: Iterable[frozenset[str]] = ()) -> None:
        self._threshold = threshold
        self._entries: list[tuple[str, ...]] = []
        self._signatures: list[int] = []
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
        most = min(_BITS, int((1 / self._threshold - 1) * len(query) + 1e-9))
        own = _signature(query)
        folded = np.uint64(_folded(own))
        for word in self._first(query):
            if (found := self._by_word.get(word)) is None:
                continue
            few = np.bitwise_count(np.frombuffer(found[0], np.uint64) ^ folded) <= most
            for row in few.nonzero()[0].tolist() if few.any() else ():
                place = found[1][row]
                if (self._signatures[place] ^ own).bit_count() > most:
                    continue
                if jaccard(query, self._entries[place]) >= self._threshold:
                    return True
        return False

    def _keep(self, entry: frozenset[str]) -> None:
        # interned: each word is kept once for all sets
        self._entries.append(tuple(map(sys.intern, entry)))
        self._signatures.append(_signature(entry))

    def _enter_all(self) -> None:
        self._due = max(_SMALL, 4 * len(self._entries))
        self._counts = Counter(word for entry in self._entries for word in entry)
        # folded signatures and places: numbers next to each other are compared all at once
        self._by_word: dict[str, tuple[array[int], array[int]]] = {}
        for place in range(len(self._entries)):
            self._enter(place)

    def _enter(self, place: int) -> None:
        for word in self._first(self._entries[place]):
            if word not in self._by_word:
                self._by_word[word] = array("Q"), array("I")
            signatures, places = self._by_word[word]
            signatures.append(_folded(self._signatures[place]))
            places.append(place)

    def _first(self, entry: Collection[str]) -> Sequence[str]:
        """Return the words of a set by which its near copies are found."""
        ordered = sorted([(self._counts.get(word, 0), word) for word in entry])
        # the tiny amount keeps rounding (0.7 * 10) from asking for one too many
        needed = math.ceil(self._threshold * len(entry) - 1e-9)
        return [word for _, word in ordered[: len(entry) - needed + 1]] or [""]


def _signature(entry: Iterable[str]) -> int:
    bits = 0
    for word in entry:
        bits |= 1 << (hash(word) % _BITS)
    return bits


def _folded(signature: int) -> int:
    """Return the bits that a signature of fewer bits would have."""
    folded = 0
    while signature:
        folded |= signature & (2**_FOLDED - 1)
        signature >>= _FOLDED
    return folded
