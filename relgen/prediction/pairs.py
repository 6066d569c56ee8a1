"""Pairs the entities of a raw text between which a relation may hold."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from relgen.data import UNLABELLED, Entity, RelationSchema, Sample, sentence_spans


@dataclass(frozen=True, slots=True)
class RawText:
    """A raw text to find relations in."""

    id: str
    text: str


class Fact(NamedTuple):
    """A relation of two entities of a text, by the places where they begin in it."""

    text: Hashable
    head: int
    tail: int
    relation: str | None
    probability: float


def in_one_direction(facts: Iterable[Fact], schema: RelationSchema) -> list[int]:
    """Return which facts to keep: of one relation between two entities the most probable.

    Few relations hold in both directions, and of those that do one row says it all; a relation and
    its inverse are one. Facts without a relation, None or the negative one, are kept.
    """
    inverses = schema.inverses()
    best: dict[Hashable, tuple[float, int]] = {}
    for number, (text, head, tail, relation, probability) in enumerate(facts):
        key: Hashable = number
        if relation is not None and relation != schema.negative:
            either = min(relation, inverses.get(relation, relation))
            key = text, frozenset((head, tail)), either
        if key not in best or probability > best[key][0]:
            best[key] = probability, number
    return sorted(number for _, number in best.values())


def without_overlaps(entities: Sequence[Entity]) -> list[Entity]:
    """Return entities in the text's order; of overlapping ones the longest, then the first."""
    kept: list[Entity] = []
    for entity in sorted(entities, key=lambda one: one.start - one.end):
        place = bisect_left(kept, entity.end, key=lambda one: one.start)
        if place == 0 or kept[place - 1].end <= entity.start:
            kept.insert(place, entity)
    return kept


def candidate_pairs(
    document: RawText, entities: Sequence[Entity], schema: RelationSchema, *, window: int = 1
) -> Iterator[tuple[Sample, int]]:
    """Yield a document's pairs of entities as samples, each with its text's place in the document.

    A sample's text reaches from the sentence of one entity to that of the other, which is at most
    `window` - 1 sentences away. Pairs whose types exclude every positive relation are left out.
    """
    entities = without_overlaps(entities)
    spans = sentence_spans(document.text, entities)
    placed = []
    for entity in entities:
        place = bisect_right(spans, entity.start, key=lambda span: span[0]) - 1
        if place >= 0 and entity.end <= spans[place][1]:
            placed.append((place, entity))
    number = 0
    for first, head in placed:
        low, high = (
            bisect_left(placed, place, key=lambda each: each[0])
            for place in (first - window + 1, first + window)
        )
        for second, tail in placed[low:high]:
            if head is tail:
                continue
            if not schema.allows_relation(head.type, tail.type):
                continue
            number += 1
            begin, end = spans[min(first, second)][0], spans[max(first, second)][1]
            text, name = document.text[begin:end], f"{document.id}/{number}"
            ends = head.counted_from(begin), tail.counted_from(begin)
            yield Sample(name, text, *ends, UNLABELLED), begin
