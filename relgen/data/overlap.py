"""Near copies: the overlap of two samples' words, and an index that finds those with much of it."""

from __future__ import annotations

import math
import sys
from array import array
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from itertools import combinations

from relgen.data.samples import Sample
from relgen.data.text import words

_SMALL = 256  # sets, below which words are not counted
_MIDDLE, _MOST = 2**31, 2**32  # of the words' ranks
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
    the words of all sets sorted in one order, the first d shared words are therefore among the
    first n - ceil(t n) + d of each (prefix filtering: Chaudhuri et al., ICDE 2006; with d above 1:
    Wang, Li and Feng, SIGMOD 2012). Sets are looked up by pairs of such words (d = 2), or
    by single words if a near copy need not share two. Rare words come first; how rare they are is
    counted anew, and all sets are entered again, whenever the index has grown fourfold.

    Args:
        threshold: the overlap from which two sets count as near copies, above 0.
        sets: initial entries.
    """

    def __init__(self, threshold: float, sets: Iterable[frozenset[str]] = ()) -> None:
        self._threshold = threshold
        self._entries = [_compact(entry) for entry in sets]
        self._enter_all()

    def add(self, entry: frozenset[str]) -> None:
        self._entries.append(_compact(entry))
        if len(self._entries) >= self._due:
            self._enter_all()
        else:
            self._enter(len(self._entries) - 1)

    def has_near(self, query: frozenset[str]) -> bool:
        """Return True if the index holds a near copy of the query."""
        for shared in self._shared:
            for key in self._keys(query, shared):
                link = self._last.get(key, -1)
                while link >= 0:
                    if jaccard(query, self._entries[self._places[link]]) >= self._threshold:
                        return True
                    link = self._earlier[link]
        return False

    def _enter_all(self) -> None:
        self._due = max(_SMALL, 4 * len(self._entries))
        counts = Counter(word for entry in self._entries for word in entry)
        rarest_first = sorted(counts, key=counts.__getitem__)
        self._ranks = {word: _MIDDLE + place for place, word in enumerate(rarest_first)}
        self._shared: set[int] = set()  # the numbers of words by which sets are looked up
        # the sets of a key as a linked list in arrays: a list object for each took twice the memory
        self._last: dict[int, int] = {}
        self._earlier, self._places = array("q"), array("q")
        for place in range(len(self._entries)):
            self._enter(place)

    def _enter(self, place: int) -> None:
        entry = self._entries[place]
        for word in entry:
            # a word that was not counted yet is the rarest of all
            self._ranks.setdefault(word, _MIDDLE - 1 - len(self._ranks))
        shared = min(2, self._needed(entry))
        self._shared.add(shared)
        for key in self._keys(entry, shared):
            self._earlier.append(self._last.get(key, -1))
            self._last[key] = len(self._places)
            self._places.append(place)

    def _keys(self, entry: Collection[str], shared: int) -> Sequence[int]:
        """Return a number for each group of `shared` words by which a near copy is found."""
        ranks = sorted([self._ranks.get(word, 0) for word in entry])  # 0: in no set
        first = ranks[: len(ranks) - self._needed(entry) + shared]
        if shared == 2:
            return [one * _MOST + other for one, other in combinations(first, 2)]
        return first if shared else [-1]

    def _needed(self, entry: Collection[str]) -> int:
        """Return the number of words that any near copy shares with a set."""
        # the tiny amount keeps rounding (0.7 * 10) from asking for one too many
        return math.ceil(self._threshold * len(entry) - 1e-9)


def _compact(entry: frozenset[str]) -> tuple[str, ...]:
    """Return the words of a set in an eighth of its memory: each word is kept once for all sets."""
    return tuple(map(sys.intern, entry))
