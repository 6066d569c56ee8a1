"""Predicts from strings and samples, whatever computes: the base of all saved classifiers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor

from relgen.classifiers.calibration import Calibration
from relgen.classifiers.mentions import GivenMention, find_mention
from relgen.common import InputError
from relgen.data import Entity, Prediction, RelationSchema, Sample
from relgen.evaluation import samples_for


class SavedClassifier(ABC):
    """A classifier that is ready to predict: a network (`NetworkClassifier`) or a reader.

    Attributes:
        schema: the relations that it knows.
        calibration: thresholds and conformal sets; None without.
    """

    schema: RelationSchema
    calibration: Calibration | None = None

    @abstractmethod
    def predict_samples(
        self, samples: Sequence[Sample], *, token_budget: int = 2048
    ) -> list[Prediction]:
        """Predict the relations of samples, in order; their own relations are ignored.

        Relations whose types exclude an entity's type have the probability 0, unless that would
        leave none. A network's batch has up to `token_budget` tokens, padding included.
        """

    def predict(self, text: str, head: GivenMention, tail: GivenMention) -> Prediction:
        """Predict the relation between two mentions of a sentence.

        A mention is given as written in the text, or as its (start, end) offsets.

        Raises:
            InputError: (a ValueError) a mention is not in the text, or more than once.
        """
        return self.predict_many([(text, head, tail)])[0]

    def predict_many(
        self, inputs: Sequence[tuple[str, GivenMention, GivenMention]]
    ) -> list[Prediction]:
        """Predict for many (text, head, tail); the predictions' ids count from 0."""
        samples = [
            Sample(
                str(number),
                text,
                Entity(*find_mention(text, head, "head")),
                Entity(*find_mention(text, tail, "tail")),
                "unknown",
            )
            for number, (text, head, tail) in enumerate(inputs)
        ]
        return self.predict_samples(samples)

    def predictions(self, samples: Sequence[Sample], logits: Tensor) -> list[Prediction]:
        """Return the predictions of samples with logits (N, R), of what their types allow."""
        probabilities = self.allowed(samples, logits).softmax(dim=-1).tolist()
        return [
            Prediction.from_probabilities(sample.id, self.schema.labels, row)
            for sample, row in zip(samples, probabilities, strict=True)
        ]

    def allowed(self, samples: Sequence[Sample], logits: Tensor) -> Tensor:
        """Return logits (N, R) with -inf for the relations that the samples' types exclude."""
        excluded = excluded_relations(self.schema, samples)
        return logits if excluded is None else logits.masked_fill(excluded, -torch.inf)

    def answer(
        self,
        prediction: Prediction,
        *,
        threshold: float | None = None,
        abstain: bool = False,
    ) -> str | None:
        """Return the predicted relation if its probability reaches the threshold.

        Otherwise return the negative relation; or None, no answer, with `abstain` and for schemas
        without a negative relation.

        Args:
            threshold: the least probability; None takes each relation's own (`calibration`), which
                is 0 for a classifier that was not calibrated.
        """
        own = self.calibration.thresholds if self.calibration else {}
        least = own.get(prediction.relation, 0.0) if threshold is None else threshold
        if prediction.score >= least:
            return prediction.relation
        return None if abstain else self.schema.negative

    def relations_set(self, prediction: Prediction, coverage: str) -> list[str]:
        """Return the relations of a conformal set, the most probable first; never an empty one."""
        least = self.least_in_set(coverage)
        order = sorted(prediction.scores.items(), key=lambda each: -each[1])
        return [label for n, (label, p) in enumerate(order) if n == 0 or p >= least]

    def least_in_set(self, coverage: str) -> float:
        """Return the least probability of the relations in a conformal set.

        `coverage` is a key of `calibration.sets`. Raises InputError without such a one.
        """
        sets = self.calibration.sets if self.calibration else {}
        if coverage not in sets:
            count = self.calibration.samples if self.calibration else 0
            raise InputError(
                f"conformal sets of this coverage need {samples_for(float(coverage))} samples that "
                f"calibrate, and this classifier has {count}",
                field="coverage",
                value=coverage,
                remedy=f"ask for one of {', '.join(sets)}" if sets else "calibrate it",
            )
        return sets[coverage]


def excluded_relations(schema: RelationSchema, samples: Sequence[Sample]) -> Tensor | None:
    """Return which relations the entities' types exclude, (N, R); None if they exclude nothing.

    A sample whose types exclude every relation keeps all.
    """
    pairs = [(sample.head.type, sample.tail.type) for sample in samples]
    rows = {pair: schema.allowed(*pair) for pair in set(pairs)}
    if all(all(row) or not any(row) for row in rows.values()):
        return None
    return ~torch.tensor(
        [rows[pair] if any(rows[pair]) else (True,) * len(schema) for pair in pairs]
    )
