"""Prompts of Direct-RE: the relations, a few answered questions, and an open question.

All sentences share the part before the open question. Segments are tokenised one by one, as in
`relgen.prompting`.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice, zip_longest

from relgen.data import RelationSchema, Sample, render
from relgen.prompting import PLAIN, PromptFormat

BATCH = 8
"""Number of questions to ask at a time."""
_TASK = (
    "You classify relations. A sentence mentions a head entity, marked <head>…</head>, and a tail "
    "entity, marked <tail>…</tail>. Say which of these relations holds between the head and the "
    "tail. Answer with the relation's name and nothing else."
)


@dataclass(frozen=True, slots=True)
class DirectPrompt:
    """Builds the segments of a question, with demonstrations that show their answers."""

    format: PromptFormat
    schema: RelationSchema
    demonstrations: tuple[Sample, ...]

    @property
    def prefix(self) -> str:
        """Return the text before the open question."""
        relations = "\n".join(f"- {each.shown}: {each.explanation}" for each in self.schema)
        shown = "".join(
            f"{self.question(sample)} {self.schema[sample.relation].shown}\n\n"
            for sample in self.demonstrations
        )
        return f"{self.format.opening}{_TASK}\n{relations}{self.format.middle}{shown}"

    def question(self, sample: Sample) -> str:
        """Return a sentence and the question for its relation."""
        return f"Sentence: {render(sample)}\nRelation:"

    @property
    def cue(self) -> str:
        """Return a chat's text between an open question and its answer."""
        return "" if self.format.cue == PLAIN.cue else self.format.cue

    def answer(self, label: str) -> str:
        """Return the answer for a relation, including its end token."""
        name = self.schema[label].shown
        return f"{name if self.cue else ' ' + name}{self.format.terminator}"


def draw_demonstrations(samples: Sequence[Sample], number: int, *, seed: int) -> tuple[Sample, ...]:
    """Draw at most `number` samples, from as many different relations as possible."""
    rng = random.Random(f"direct/{seed}")
    by_relation: dict[str, list[Sample]] = {}
    for sample in samples:
        by_relation.setdefault(sample.relation, []).append(sample)
    pools = [rng.sample(pool, len(pool)) for _, pool in sorted(by_relation.items())]
    rng.shuffle(pools)
    order = (sample for turn in zip_longest(*pools) for sample in turn if sample is not None)
    return tuple(islice(order, number))
