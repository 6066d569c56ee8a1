"""Tracks the state of a generation: relations that need samples, and their chains.

A chain is one run over one relation. In OBO it starts from one labelled demonstration, to which it
adds its accepted samples. In AAO each of its requests shows different labelled samples.
"""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from relgen.data import Relation, Sample
from relgen.generation.settings import GenerationSettings


@dataclass(slots=True)
class ChainState:
    """The state of one chain."""

    number: int  # among all chains of the generation
    index: int  # among the chains of its relation
    humans: Sequence[Sample]  # the relation's labelled samples, shuffled with the seed
    accepted: list[Sample] = field(default_factory=list)
    step: int = 0  # accepted samples so far (OBO) or requests so far (AAO)
    attempt: int = 0  # drafts rejected at this step (OBO)

    def demonstrations(self, settings: GenerationSettings) -> list[Sample]:
        """Return the samples to show in the next prompt."""
        humans = self.humans
        if settings.mode == "aao":
            shown = min(settings.shown, len(humans))
            first = (self.index + self.step * settings.chains) * shown
            return [humans[(first + i) % len(humans)] for i in range(shown)]
        hidden = 0 if settings.window is None else max(0, len(self.accepted) - settings.window)
        return [humans[self.index % len(humans)], *self.accepted[hidden:]]


@dataclass(slots=True)
class RelationState:
    """The progress of one relation; in AAO each line of an answer counts as a draft."""

    relation: Relation
    chains: list[ChainState]
    wanted: int
    accepted: int = 0
    drafts: int = 0
    tokens: int = 0
    rejected: Counter[str] = field(default_factory=Counter)

    def missing(self, settings: GenerationSettings) -> int:
        """Return the number of samples still needed; 0 once the drafts or tokens are used up."""
        most = settings.max_drafts_per_sample * self.wanted * settings.candidates
        tokens_left = settings.token_budget is None or self.tokens < settings.token_budget
        return self.wanted - self.accepted if self.drafts < most and tokens_left else 0


def initial_states(
    relations: Sequence[Relation], train: Sequence[Sample], settings: GenerationSettings
) -> list[RelationState]:
    """Return the initial states; relations without a labelled sample get no chains."""
    states, numbers = [], itertools.count()
    for relation in relations:
        humans = [sample for sample in train if sample.relation == relation.name]
        rng = random.Random(f"demonstrations/{settings.seed}/{relation.name}")
        order = rng.sample(humans, len(humans))
        indices = range(settings.chains if order else 0)
        chains = [ChainState(next(numbers), index, order) for index in indices]
        states.append(RelationState(relation, chains, settings.samples))
    return states


def waves(states: Sequence[RelationState], batch: int | None) -> list[list[RelationState]]:
    """Group the relations so that at most `batch` chains (or one relation's) run together."""
    result: list[list[RelationState]] = []
    for state in states:
        size = sum(len(other.chains) for other in result[-1]) if result else 0
        if result and (batch is None or size + len(state.chains) <= batch):
            result[-1].append(state)
        else:
            result.append([state])
    return result
