"""Prompts of Xu et al. (SustaiNLP 2023, arXiv 2305.01555): all at once, as lines of named fields.

They describe the parts of a sample, the entity types, and demonstrations, without a relation
explanation or a diversity instruction: the baseline of Li, Dai, Li (ACL 2025).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from relgen.data import Relation, Sample
from relgen.prompting.field_markup import render_fields
from relgen.prompting.prompts import Prompt, PromptFormat


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


_TASK = (
    "A sample for relation extraction gives a relation, a context, the head entity and the tail "
    "entity, which both occur in the context, and the type of each. The relation holds between the "
    "head and the tail."
)
