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
from collections.abc import Sequence
from dataclasses import dataclass

from relgen.data import Entity, Relation, Sample
from relgen.prompting.prompts import Prompt, PromptFormat

UNTYPED = "ENTITY"
"""Placeholder for an unknown entity type."""

_LINE = re.compile(
    r"Relation: (?P<relation>.+?)\. Context: (?P<context>.+?) Head Entity: (?P<head>.+?)\. "
    r"Head Type: (?P<head_type>.+?)\. Tail Entity: (?P<tail>.+?)\. Tail Type: (?P<tail_type>.+?)\.?"
)
_SPACES = re.compile(r"\s+")
_TASK = (
    "A sample for relation extraction gives a relation, a context, the head entity and the tail "
    "entity, which both occur in the context, and the type of each. The relation holds between the "
    "head and the tail."
)


def render_fields(sample: Sample, relation: Relation) -> str:
    """Return a sample as a line of fields; missing types are the relation's first or `UNTYPED`."""
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
    """Return the sample on a line of fields, with an empty id, or the reason for rejecting it.

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


@dataclass(frozen=True, slots=True)
class FieldPromptWriter:
    """Writes prompts for one model, as `PromptWriter` does.

    Args:
        format: text of the model's chat template around the modules.
        types: the entity types of the schema and the labelled samples.
    """

    format: PromptFormat
    types: tuple[str, ...] = ()

    def one_by_one(self, relation: Relation, demonstrations: Sequence[Sample]) -> Prompt:
        """Return a prompt for one sample."""
        return self.all_at_once(relation, demonstrations, 1)

    def all_at_once(
        self, relation: Relation, demonstrations: Sequence[Sample], number: int
    ) -> Prompt:
        """Return a prompt for `number` samples in one answer, one per line."""
        known = f" Types: {', '.join(self.types)}." if self.types else ""
        more = "one more sample" if number == 1 else f"{number} more samples, one on each line,"
        return Prompt(
            prefix=(
                f"{self.format.opening}{_TASK}{known} Write {more} for the relation in the same "
                f'form.{self.format.middle}Samples of the relation "{relation.shown}":\n'
            ),
            demonstrations=tuple(f"{render_fields(s, relation)}\n" for s in demonstrations),
            cue=self.format.cue,
            terminator=self.format.terminator,
        )
