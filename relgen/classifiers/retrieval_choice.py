"""Which λ, k and T a datastore is used with: chosen on development samples, or published."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Literal

import torch
from torch import Tensor
from torchmetrics.functional.classification import multiclass_confusion_matrix

from relgen.classifiers.datastore import Retrieval
from relgen.classifiers.retrieval_scores import (
    Neighbours,
    interpolated,
    neighbour_probabilities,
    released_interpolated,
    released_neighbour_probabilities,
)
from relgen.data import RelationSchema
from relgen.evaluation import score

# of the authors' code (`main.py`, `distance2logits_2`) and scripts (`knn_scripts/`)
PUBLISHED = Retrieval(interpolation=0.2, neighbours=64, temperature=10.0)
PUBLISHED_INTERPOLATION = {"semeval": 0.5, "retacred": 0.5}
"""λ for the corpora, by their schemas' names, for which it is another one."""
_WEIGHTS = tuple(number / 10 for number in range(10))
_COUNTS = (1, 4, 16, 64)
_TEMPERATURES = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0)


@dataclass(frozen=True)
class Combination:
    """How neighbours become probabilities, and how these join the language model's."""

    neighbour_probabilities: Callable[[Neighbours, float], Tensor]
    interpolated: Callable[[Tensor, Tensor, float], Tensor]

    def __call__(self, logits: Tensor, neighbours: Neighbours, retrieval: Retrieval) -> Tensor:
        """The scores of B queries, for a softmax.

        Args:
            logits: (B, R) the language model's.
            neighbours: at least k of each query.
            retrieval: λ, k and T.

        Returns:
            (B, R).
        """
        nearest = neighbours.first(retrieval.neighbours)
        found = self.neighbour_probabilities(nearest, retrieval.temperature)
        return self.interpolated(logits.softmax(dim=-1), found, retrieval.interpolation)


COMBINATIONS: dict[Literal["fixed", "faithful"], Combination] = {
    "fixed": Combination(neighbour_probabilities, interpolated),
    "faithful": Combination(released_neighbour_probabilities, released_interpolated),
}


@dataclass(frozen=True)
class Given:
    """The settings that a user has given; None for those that are to be chosen."""

    interpolation: float | None = None
    neighbours: int | None = None
    temperature: float | None = None

    def candidates(self) -> Iterator[Retrieval]:
        """What there is to choose from."""
        weights = _WEIGHTS if self.interpolation is None else (self.interpolation,)
        counts = _COUNTS if self.neighbours is None else (self.neighbours,)
        temperatures = _TEMPERATURES if self.temperature is None else (self.temperature,)
        return (Retrieval(*values) for values in product(weights, counts, temperatures))

    def or_published(self, corpus: str = "") -> Retrieval:
        """The given ones, and the published ones for the others.

        Args:
            corpus: name of the schema.
        """
        published = PUBLISHED_INTERPOLATION.get(corpus, PUBLISHED.interpolation)
        return Retrieval(
            published if self.interpolation is None else self.interpolation,
            PUBLISHED.neighbours if self.neighbours is None else self.neighbours,
            PUBLISHED.temperature if self.temperature is None else self.temperature,
        )


def choose(
    candidates: Iterable[Retrieval],
    combination: Combination,
    logits: Tensor,
    neighbours: Neighbours,
    labels: Tensor,
    schema: RelationSchema,
) -> Retrieval:
    """The settings with the best micro-F1; of equals those under which the labels are likeliest.

    Args:
        candidates: at least one; of those alike in both, the first.
        combination: what is done with them.
        logits: (N, R) the language model's, of N development samples.
        neighbours: of these, as many as any candidate asks for, where there are so many.
        labels: (N,) their relations.
        schema: R labels.
    """

    def quality(retrieval: Retrieval) -> tuple[float, float]:
        scores = combination(logits, neighbours, retrieval)  # (N, R)
        confusion = multiclass_confusion_matrix(
            scores.argmax(dim=-1), labels, len(schema), validate_args=False
        )
        likelihood = -torch.nn.functional.cross_entropy(scores, labels)
        return score(confusion.cpu(), schema).micro_f1, likelihood.item()

    return max(candidates, key=quality)
