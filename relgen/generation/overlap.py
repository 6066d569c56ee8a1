"""How much two samples say the same: Jaccard overlap of words, with the entities aside.

`OverlapIndex` finds a near copy among many texts without comparing with each of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

from relgen.data import Sample, normalised

# fewer comparisons with a smaller number, less memory with a larger one
_CROWDED = 16
# copies cannot be divided by any number of words
_DEEPEST = 5


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


class _Crowd:
    """The sets that share some first words, once they are too many for a list: by one word more."""

    __slots__ = ("children", "members")

    def __init__(self) -> None:
        # most words lead to a single set: a list for each would take most of the memory
        self.children: dict[str, int | list[int] | _Crowd] = {}
        # sets so small that a near copy need not share one word more
        self.members: list[int] = []


class OverlapIndex:
    """Sets of words, asked for one that overlaps with a given set; exact, with few comparisons.

    Prefix filtering (Chaudhuri et al., ICDE 2006) puts the words of each set in one fixed order;
    long words, which are rare, come first here. Two sets with an overlap of at least t share
    ceil(t n) words, n the size of either, so the first d words that they share are among the first
    n - ceil(t n) + d of each, for any d up to ceil(t n). With d = 1 a query looks at all sets that
    have one of its first words; as the language's words are limited, these grow in proportion to
    the sets. Hence d grows (Wang, Li and Feng, SIGMOD 2012): sets that share d of their first words
    are divided by one word more as soon as they are a crowd.

    Args:
        threshold: the overlap from which two sets count as near copies, above 0.
        sets: the first ones to add.
    """

    def __init__(self, threshold: float, sets: Iterable[frozenset[str]] = ()) -> None:
        self._threshold = threshold
        self._sets: list[tuple[str, ...]] = []
        self._vocabulary: dict[str, str] = {}
        self._root = _Crowd()
        self._has_empty = False
        for entry in sets:
            self.add(entry)

    def add(self, entry: frozenset[str]) -> None:
        """Adds a set."""
        self._has_empty = self._has_empty or not entry
        number = len(self._sets)
        # each word is kept once, and a tuple takes a tenth of a set's memory
        self._sets.append(tuple(self._vocabulary.setdefault(w, w) for w in _in_order(entry)))
        if entry:
            self._place(number, self._root, 0, 0)

    def has_near(self, query: frozenset[str]) -> bool:
        """Whether a set overlaps with the query by the threshold or more."""
        if not query:
            return self._has_empty
        seen: set[int] = set()
        for group in self._groups(_in_order(query)):
            for number in group:
                if number not in seen:
                    seen.add(number)
                    if self._overlap(query, self._sets[number]) >= self._threshold:
                        return True
        return False

    def _overlap(self, query: frozenset[str], entry: tuple[str, ...]) -> float:
        """`jaccard` of a set and the words of another."""
        shared = len(query.intersection(entry))
        return shared / (len(query) + len(entry) - shared)

    def _needed(self, size: int) -> int:
        """How many words a near copy shares with a set of this size."""
        # the tiny amount keeps rounding (0.7 * 10) from asking for one too many
        return math.ceil(self._threshold * size - 1e-9)

    def _place(self, number: int, crowd: _Crowd, depth: int, start: int) -> None:
        """Puts a set below a crowd whose `depth` words it has, the last one just before `start`."""
        words = self._sets[number]
        needed = self._needed(len(words))
        if depth >= needed:
            crowd.members.append(number)
            return
        for place in range(start, len(words) - needed + depth + 1):
            word = words[place]
            child = crowd.children.get(word)
            if child is None:
                crowd.children[word] = number
            elif isinstance(child, int):
                crowd.children[word] = [child, number]
            elif isinstance(child, _Crowd):
                self._place(number, child, depth + 1, place + 1)
            else:
                child.append(number)
                if len(child) > _CROWDED and depth + 1 < _DEEPEST:
                    divided = crowd.children[word] = _Crowd()
                    for member in child:
                        self._place(member, divided, depth + 1, self._sets[member].index(word) + 1)

    def _groups(self, words: Sequence[str]) -> Iterator[Sequence[int]]:
        """The groups in which a near copy of a set can be."""
        slack = len(words) - self._needed(len(words))
        stack = [(self._root, 0, 0)]
        while stack:
            crowd, depth, start = stack.pop()
            yield crowd.members
            for place in range(start, min(slack + depth + 1, len(words))):
                child = crowd.children.get(words[place])
                if isinstance(child, _Crowd):
                    stack.append((child, depth + 1, place + 1))
                elif child is not None:
                    yield (child,) if isinstance(child, int) else child


def _in_order(entry: frozenset[str]) -> list[str]:
    return sorted(entry, key=lambda word: (-len(word), word))
