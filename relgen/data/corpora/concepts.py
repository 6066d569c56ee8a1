"""Relations between concepts, of which a document holds mentions: which of these become samples.

A mention may have several ids, separated by `;`, `,` or `|`; those of tmVar (`p|SUB|V|600|E`) hold
bars themselves. A relation's end with several ids is what has all of them, as PubTator3 writes
variants: `HGVS:p.V600E;CorrespondingGene:673`.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Any, NamedTuple

from relgen.common import InputError
from relgen.data.corpora.documents import Document, Key, Link, Mention, sentence_number
from relgen.data.corpora.reading import ReadOptions
from relgen.data.validation import RecordChecks

_SEPARATOR = re.compile(r";|,\s*(?=(?:tmVar:)?[a-z]?\|)")
_VARIANT = re.compile(r"(?:tmVar:)?[a-z]?\|")


class ConceptRelation(NamedTuple):
    """A relation between the mentions of two concepts, and where it is in the file."""

    heads: Sequence[Any]
    tails: Sequence[Any]
    label: str
    place: int | str


def identifiers(text: str) -> list[str]:
    """Return the ids of a mention, without repetitions."""
    parts = (part.strip() for part in _SEPARATOR.split(text))
    lists = ([part] if _VARIANT.match(part) else re.split(r"[|,]", part) for part in parts)
    return list(dict.fromkeys(name.strip() for names in lists for name in names))


def mentions_of(concept: str, mentioned: Mapping[str, Sequence[Key]]) -> list[Key]:
    """Return the mentions of a concept, given those of each id. Raise InputError if none is."""
    first, *others = (mentioned.get(name, []) for name in identifiers(concept))
    shared = set(first).intersection(*others)
    if not shared:
        remedy = "mark one in the document, or remove the relation"
        problem = "a concept without a mention"
        raise InputError(problem, field="relation", value=concept, remedy=remedy)
    return [key for key in first if key in shared]


def concept_document(
    document: Document,
    relations: Sequence[ConceptRelation],
    checks: RecordChecks,
    options: ReadOptions,
) -> Document:
    """Return a document with links between the mentions that are chosen of each relation."""
    links = list[Link]()
    for relation in relations:
        with checks.record(relation.place):
            pairs = closest_pairs(document, relation, checks, options)
            links += [Link(head, tail, relation.label, relation.place) for head, tail in pairs]
    related = [*document.related, *((each.heads, each.tails) for each in relations)]
    return replace(document, links=links, related=related)


def closest_pairs(
    document: Document, relation: ConceptRelation, checks: RecordChecks, options: ReadOptions
) -> list[tuple[Any, Any]]:
    """Return the mentions of two related concepts that become samples.

    By default the two that are closest to each other; with `ambiguous="all-pairs"` all pairs of one
    sentence, or else the closest; with `"skip"` none of several. Mentions that overlap count only
    if no others are there.

    Raises:
        InputError: both concepts have the same only mention.
    """
    mentions, (heads, tails, _, place) = document.mentions, relation
    number, closest = _closest_apart(mentions, heads, tails)
    overlap = closest is None
    if closest is None:
        pairs = [(head, tail) for head, tail in product(heads, tails) if head != tail]
        if not pairs:
            remedy = "mark both in the document as different mentions, or remove the relation"
            problem = "the same mention at both ends"
            raise InputError(problem, field="relation", value=relation.label, remedy=remedy)
        number, closest = len(pairs), pairs[0]
    if number == 1:
        return [closest]
    if options.ambiguous == "skip":
        checks.note("were left out, since entities have several mentions", place, "relation")
        return []
    checks.note("have entities with several mentions", place, "relation")
    if options.ambiguous != "all-pairs":
        return [closest]
    sentences = document.sentences or ()
    together = defaultdict[int, list[Any]](list)
    for tail in tails:
        together[sentence_number(sentences, mentions[tail].start)].append(tail)
    pairs = [
        (head, tail)
        for head in heads
        for tail in together[sentence_number(sentences, mentions[head].start)]
        if head != tail and (overlap or _apart(mentions[head], mentions[tail]))
    ]
    return pairs or [closest]


def _apart(one: Mention, other: Mention) -> bool:
    return one.end <= other.start or other.end <= one.start


def _closest_apart(
    mentions: Mapping[Any, Mention], heads: Sequence[Any], tails: Sequence[Any]
) -> tuple[int, tuple[Any, Any] | None]:
    """Return how many pairs do not overlap, and the closest of these, the first of several."""

    def start(key: Any) -> int:
        return mentions[key].start

    def end(key: Any) -> int:
        return mentions[key].end

    def gap(pair: tuple[Any, Any]) -> tuple[int, int]:
        first, second = sorted(pair, key=start)
        return start(second) - end(first), start(first)

    by_start, by_end = sorted(tails, key=start), sorted(tails, key=end)
    number, neighbours = 0, list[tuple[Any, Any]]()
    for head in heads:
        before = bisect_right(by_end, start(head), key=end)
        after = bisect_left(by_start, end(head), key=start)
        number += before + len(tails) - after
        nearest = by_end[max(before - 1, 0) : before] + by_start[after : after + 1]
        neighbours += [(head, tail) for tail in nearest]
    return number, min(neighbours, key=gap, default=None)
