"""The state of a generation: relations that want samples, and the chains that write them.

A chain is one run over one relation. In OBO it starts with one labelled demonstration, and its
accepted samples join the demonstrations. In AAO each of its requests shows other labelled samples.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from relgen.data import Relation, Sample
from relgen.generation.settings import GenerationSettings


@dataclass(slots=True)
class ChainState:
    """The state of one chain.

    Args:
        number: over all chains of the generation.
        index: among the chains of its relation.
        humans: the relation's labelled samples, in an order that the seed gives.
        accepted: the samples that it has written.
        step: OBO: accepted samples so far; AAO: requests so far.
        attempt: OBO: drafts rejected at this step.
    """

    number: int
    index: int
    humans: Sequence[Sample]
    accepted: list[Sample] = field(default_factory=list)
    step: int = 0
    attempt: int = 0

    def demonstrations(self, settings: GenerationSettings) -> list[Sample]:
        """Return the samples that its next prompt shows."""
        humans = self.humans
        if settings.mode == "aao":
            shown = min(settings.shown, len(humans))
            first = (self.index + self.step * settings.chains) * shown
            return [humans[(first + i) % len(humans)] for i in range(shown)]
        kept = len(self.accepted) if settings.window is None else settings.window
        recent = self.accepted[max(0, len(self.accepted) - kept) :]
        return [humans[self.index % len(humans)], *recent]


@dataclass(slots=True)
class RelationState:
    """The samples that a relation wants and has, and its chains.

    `drafts` counts the samples drafted: in AAO the lines of an answer.
    """

    relation: Relation
    chains: list[ChainState]
    wanted: int
    accepted: int = 0
    drafts: int = 0
    tokens: int = 0
    rejected: Counter[str] = field(default_factory=Counter)

    def missing(self, settings: GenerationSettings) -> int:
        """Return how many samples are still wanted; 0 once the tries or the tokens are used up."""
        if self.drafts >= settings.max_drafts_per_sample * self.wanted * settings.candidates:
            return 0
        if settings.token_budget is not None and self.tokens >= settings.token_budget:
            return 0
        return self.wanted - self.accepted


def initial_states(
    relations: Sequence[Relation], train: Sequence[Sample], settings: GenerationSettings
) -> list[RelationState]:
    """Return the state at the start; relations without a labelled sample get no chains."""
    states, number = [], 0
    for relation in relations:
        humans = [sample for sample in train if sample.relation == relation.name]
        rng = random.Random(f"demonstrations/{settings.seed}/{relation.name}")
        order = rng.sample(humans, len(humans))
        chains = [
            ChainState(number + index, index, order)
            for index in range(settings.chains if order else 0)
        ]
        number += len(chains)
        states.append(RelationState(relation, chains, settings.samples))
    return states


def waves(states: Sequence[RelationState], batch: int | None) -> list[list[RelationState]]:
    """Split the relations so that at most `batch` chains run together (or one relation's)."""
    result: list[list[RelationState]] = []
    for state in states:
        size = sum(len(other.chains) for other in result[-1]) if result else 0
        if result and (batch is None or size + len(state.chains) <= batch):
            result[-1].append(state)
        else:
            result.append([state])
    return result
