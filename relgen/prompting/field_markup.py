"""A sample as a line of named fields: the notation of Xu et al. (SustaiNLP 2023, arXiv 2305.01555).

    Relation: founded_by. Context: Ann founded Acme in Bern. Head Entity: Acme. Head Type:
    ORGANIZATION. Tail Entity: Ann. Tail Type: PERSON.

(on one line). The entities are searched for in the context, and a draft is rejected when they are
not found. Unlike tagged text, this notation cannot distinguish several mentions of an entity.
"""

from __future__ import annotations

import re

from relgen.data import Entity, Relation, Sample

UNTYPED = "ENTITY"
"""Placeholder for an unknown entity type."""

_LINE = re.compile(
    r"Relation: (?P<relation>.+?)\. Context: (?P<context>.+?) Head Entity: (?P<head>.+?)\. "
    r"Head Type: (?P<head_type>.+?)\. Tail Entity: (?P<tail>.+?)\. Tail Type: (?P<tail_type>.+?)\.?"
)
_SPACES = re.compile(r"\s+")


def render_fields(sample: Sample, relation: Relation) -> str:
    """Return a sample as a line of fields; the relation, or `UNTYPED`, fills in missing types."""
    head = sample.head.type or next(iter(relation.head_types), UNTYPED)
    tail = sample.tail.type or next(iter(relation.tail_types), UNTYPED)
    fields = [
        f"Relation: {relation.shown}.",
        f"Context: {sample.text}",
        f"Head Entity: {sample.head_text}.",
        f"Head Type: {head}.",
        f"Tail Entity: {sample.tail_text}.",
        f"Tail Type: {tail}.",
    ]
    return _SPACES.sub(" ", " ".join(fields))


def read_fields(raw: str, relation: Relation) -> Sample | str:
    """Return the sample that a line of fields describes, with an empty id, or a rejection's reason.

    The first pair of mentions that do not overlap becomes head and tail.

    Reasons: `no_fields`, `wrong_relation`, `head_not_in_context`, `tail_not_in_context`,
    `same_entities`.
    """
    match = _LINE.fullmatch(raw.strip())
    if match is None:
        return "no_fields"
    if match["relation"].strip() != relation.shown:
        return "wrong_relation"
    text = match["context"].strip()
    places = {}
    for role in ("head", "tail"):
        mention = rf"(?<!\w){re.escape(match[role].strip())}(?!\w)"
        places[role] = [found.span() for found in re.finditer(mention, text)]
        if not places[role]:
            return f"{role}_not_in_context"
    pairs = [(h, t) for h in places["head"] for t in places["tail"] if h[1] <= t[0] or t[1] <= h[0]]
    if not pairs:
        return "same_entities"
    head, tail = pairs[0]
    written = (match["head_type"].strip(), match["tail_type"].strip())
    kinds = [None if name == UNTYPED else name for name in written]
    return Sample(
        "",
        text,
        Entity(*head, kinds[0]),
        Entity(*tail, kinds[1]),
        relation.name,
        "generated",
    )
