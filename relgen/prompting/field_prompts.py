"""Prompts of Xu et al. (SustaiNLP 2023, arXiv 2305.01555): all at once, as lines of named fields.

A description of what a sample consists of, the entity types that there are, and demonstrations. No
relation explanation and no diversity instruction: Li, Dai, Li (ACL 2025) compare with this.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from relgen.data import Relation, Sample
from relgen.prompting.field_markup import render_fields
from relgen.prompting.prompts import Prompt, PromptFormat


@dataclass(frozen=True, slots=True)
class FieldPromptWriter:
    """Writes prompts for one model; has the methods of `PromptWriter` that generate.

    Args:
        format: what the model wants around the modules.
        types: the entity types that the schema and the labelled samples know.
    """

    format: PromptFormat
    types: tuple[str, ...] = field(default=())

    def one_by_one(self, relation: Relation, demonstrations: Sequence[Sample]) -> Prompt:
        """Asks for one sample."""
        return self.all_at_once(relation, demonstrations, 1)

    def all_at_once(
        self, relation: Relation, demonstrations: Sequence[Sample], number: int
    ) -> Prompt:
        """Asks for `number` samples in one answer, one a line."""
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


_TASK = (
    "A sample for relation extraction gives a relation, a context, the head entity and the tail "
    "entity, which both occur in the context, and the type of each. The relation holds between the "
    "head and the tail."
)
