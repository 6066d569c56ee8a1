"""Finds samples that share a sentence: what a split keeps together, and no test set may repeat.

A relation across sentences is a sample whose text is several sentences, and one of them may be the
text of another sample. Two samples share a sentence if it is in both texts and has an entity of one
of them: a heading or a standing phrase between the entities joins nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from relgen.data.samples import Entity, Sample
from relgen.data.sentences import sentence_spans
from relgen.data.text import normalised


class Sentences(NamedTuple):
    """Hashes of the words of a text's sentences: of those with an entity, and of all.

    64 bits do not collide. They differ from process to process.
    """

    own: frozenset[int]
    every: frozenset[int]

    @classmethod
    def single(cls, number: int) -> Sentences:
        """Return those of a text that is one sentence."""
        one = frozenset((number,))
        return cls(one, one)

    @classmethod
    def of(cls, text: str, *entities: Entity) -> Sentences:
        """Return those of a text with its entities, and of the text as a whole.

        Sentences are found with the entities and without, as another sample may have other ones.
        """
        whole = hash(normalised(text))
        spans = {*sentence_spans(text), *sentence_spans(text, entities)}
        if len(spans) == 1:
            return cls.single(whole)
        own, every = {whole}, {whole}
        for start, end in spans:
            if words := normalised(text[start:end]):
                every.add(hash(words))
                if any(each.start < end and start < each.end for each in entities):
                    own.add(hash(words))
        return cls(frozenset(own), frozenset(every))

    @classmethod
    def of_sample(cls, sample: Sample) -> Sentences:
        return cls.of(sample.text, sample.head, sample.tail)


class SharedSentences:
    """Tells which samples share a sentence with those that were added."""

    def __init__(self, rows: Iterable[Sentences] = ()) -> None:
        self._own, self._every = set[int](), set[int]()
        for row in rows:
            self._own |= row.own
            self._every |= row.every

    def has(self, row: Sentences) -> bool:
        return not (self._every.isdisjoint(row.own) and self._own.isdisjoint(row.every))


def repeated_rows(rows: Iterable[Sentences], others: Iterable[Sentences]) -> list[int]:
    """Return the indices of rows that share a sentence with the others."""
    shared = SharedSentences(others)
    return [index for index, row in enumerate(rows) if shared.has(row)]


def joined_rows(rows: Sequence[Sentences]) -> list[int]:
    """Return for each row the first of those that it shares a sentence with, through others too."""
    own = set[int]().union(*(row.own for row in rows))
    parents, first = list(range(len(rows))), dict[int, int]()

    def root(place: int) -> int:
        while parents[place] != place:
            parents[place] = place = parents[parents[place]]
        return place

    for place, row in enumerate(rows):
        for number in row.every & own:
            one, other = sorted((root(place), root(first.setdefault(number, place))))
            parents[other] = one
    return [root(place) for place in range(len(rows))]
