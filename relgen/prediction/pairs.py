"""Pairs the entities of a raw text between which a relation may hold."""

from __future__ import annotations

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
        if all(entity.end <= other.start or other.end <= entity.start for other in kept):
            kept.append(entity)
    return sorted(kept, key=lambda one: one.start)


def candidate_pairs(
    document: Document, entities: Sequence[Entity], schema: RelationSchema, *, window: int = 1
) -> Iterator[tuple[Sample, int]]:
    """Yield a document's pairs of entities as samples, each with its text's place in the document.

    A sample's text reaches from the sentence of one entity to that of the other, which is at most
    `window` - 1 sentences away. Pairs whose types exclude every positive relation are left out.
    """
    entities = without_overlaps(entities)
    spans = sentence_spans(document.text, entities)
    placed = [
        (place, entity)
        for place, (start, end) in enumerate(spans)
        for entity in entities
        if start <= entity.start and entity.end <= end
    ]
    positive = [label != schema.negative for label in schema.labels]
    number = 0
    for first, head in placed:
        for second, tail in placed:
            if head is tail or abs(first - second) >= window:
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
