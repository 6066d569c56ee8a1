"""Pairs the entities of a raw text between which a relation may hold."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from relgen.data import UNLABELLED, Entity, RelationSchema, Sample, sentence_spans


@dataclass(frozen=True, slots=True)
class Document:
    """A raw text to find relations in."""

    id: str
    text: str


def without_overlaps(entities: Sequence[Entity]) -> list[Entity]:
    """Return entities in the text's order; of overlapping ones the longest, then the first."""
    kept: list[Entity] = []
    for entity in sorted(entities, key=lambda one: one.start - one.end):
        place = bisect_left(kept, entity.end, key=lambda one: one.start)
        if place == 0 or kept[place - 1].end <= entity.start:
            kept.insert(place, entity)
    return kept


def candidate_pairs(
    document: Document, entities: Sequence[Entity], schema: RelationSchema, *, window: int = 1
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
    positive = [label != schema.negative for label in schema.labels]
    number = 0
    for first, head in placed:
        begin, end = (
            bisect_left(placed, place, key=lambda each: each[0])
            for place in (first - window + 1, first + window)
        )
        for second, tail in placed[begin:end]:
            if head is tail:
                continue
            allowed = schema.allowed(head.type, tail.type)
            if not any(one and other for one, other in zip(allowed, positive, strict=True)):
                continue
            number += 1
            begin, end = spans[min(first, second)][0], spans[max(first, second)][1]
            moved = (
                replace(entity, start=entity.start - begin, end=entity.end - begin)
                for entity in (head, tail)
            )
            text, name = document.text[begin:end], f"{document.id}/{number}"
            yield Sample(name, text, next(moved), next(moved), UNLABELLED), begin
