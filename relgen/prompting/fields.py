"""Prompts of Xu et al. (SustaiNLP 2023, arXiv 2305.01555), with samples as lines of named fields.

    Relation: founded_by. Context: Ann founded Acme in Bern. Head Entity: Acme. Head Type:
    ORGANIZATION. Tail Entity: Ann. Tail Type: PERSON.

(on one line). The entities are searched for in the context, and a draft is rejected when they are
not found. Unlike tagged text, this notation cannot distinguish several mentions of an entity. The
prompts hold neither a relation explanation nor a diversity instruction: they are the baseline of
Li, Dai, Li (ACL 2025).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from relgen.data import Entity, Relation, Sample, find_mentions
from relgen.prompting.prompts import Prompt, PromptFormat, language_instruction

NO_TYPE = "ENTITY"
"""Placeholder for an unknown entity type."""

_NAMES = ("relation", "context", "head", "head_type", "tail", "tail_type")
_BETWEEN = (". Context: ", " Head Entity: ", ". Head Type: ", ". Tail Entity: ", ". Tail Type: ")
_SPACES = re.compile(r"\s+")
_TASK = (
    "A sample for relation extraction gives a relation, a context, the head entity and the tail "
    "entity, which both occur in the context, and the type of each. The relation holds between the "
    "head and the tail."
)


def render_fields(sample: Sample, relation: Relation) -> str:
    """Return a sample as a line of fields; missing types are the relation's first or `NO_TYPE`."""
    head = sample.head.type or next(iter(relation.head_types), NO_TYPE)
    tail = sample.tail.type or next(iter(relation.tail_types), NO_TYPE)
    line = (
        f"Relation: {relation.shown}. Context: {sample.text} Head Entity: {sample.head_text}. "
        f"Head Type: {head}. Tail Entity: {sample.tail_text}. Tail Type: {tail}."
    )
    return _SPACES.sub(" ", line)


def read_fields(raw: str, relation: Relation) -> Sample | str:
    """Return the sample on a line of fields, with an empty id, or the reason for rejecting it.

    The first pair of mentions that do not overlap becomes head and tail.

    Reasons: `no_fields`, `wrong_relation`, `head_not_in_context`, `tail_not_in_context`,
    `same_entities`.
    """
    fields = _fields(raw.strip())
    if fields is None:
        return "no_fields"
    if fields["relation"] != relation.shown:
        return "wrong_relation"
    text = fields["context"]
    places = {}
    for role in ("head", "tail"):
        places[role] = find_mentions(text, fields[role], whole=True)
        if not places[role]:
            return f"{role}_not_in_context"
    pairs = ((h, t) for h in places["head"] for t in places["tail"] if h[1] <= t[0] or t[1] <= h[0])
    if (pair := next(pairs, None)) is None:
        return "same_entities"
    head, tail = (
        Entity(*span, None if (kind := fields[f"{role}_type"]) == NO_TYPE else kind)
        for role, span in zip(places, pair, strict=True)
    )
    return Sample("", text, head, tail, relation.name, "generated")


def _fields(line: str) -> dict[str, str] | None:
    """Return the fields of a line by name, or None; the first mark of each kind counts."""
    if not line.startswith("Relation: "):
        return None
    values, rest = [], line.removeprefix("Relation: ").removesuffix(".")
    for mark in _BETWEEN:
        value, found, rest = rest.partition(mark)
        if not found:
            return None
        values.append(value.strip())
    fields = dict(zip(_NAMES, [*values, rest.strip()], strict=True))
    return fields if all(fields.values()) else None


@dataclass(frozen=True, slots=True)
class FieldPromptWriter:
    """Writes prompts for one model, as `PromptWriter` does."""

    format: PromptFormat
    types: tuple[str, ...] = ()  # those of the schema and the labelled samples
    language: str | None = None  # of the samples, if it is not English

    def prompt(
        self, relation: Relation, demonstrations: Iterable[Sample], number: int = 1
    ) -> Prompt:
        """Return a prompt for one sample, or for several in one answer, one per line."""
        known = f" Types: {', '.join(self.types)}." if self.types else ""
        more = "one more sample" if number == 1 else f"{number} more samples, one on each line,"
        return self.format.prompt(
            " ".join(
                [
                    f"{_TASK}{known} Write {more} for the relation in the same form.",
                    *language_instruction(self.language),
                ]
            ),
            f'Samples of the relation "{relation.shown}":\n',
            (render_fields(sample, relation) for sample in demonstrations),
        )
