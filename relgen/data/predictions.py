"""Predictions of a classifier, one for each sample, as JSON lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Prediction:
    """The most probable relation of a sample, its `score`, and the probabilities of all labels."""

    id: str
    relation: str
    score: float
    scores: Mapping[str, float]

    @classmethod
    def from_probabilities(
        cls, sample_id: str, labels: Sequence[str], probabilities: Sequence[float]
    ) -> Prediction:
        """Predict the most probable label; of equally probable ones, the schema's first."""
        best = max(range(len(labels)), key=lambda index: probabilities[index])
        scores = {
            label: round(float(value), 6)
            for label, value in zip(labels, probabilities, strict=True)
        }
        return cls(sample_id, labels[best], scores[labels[best]], scores)

    def to_json(self) -> dict[str, Any]:
        """Return the object for one line of `predictions.jsonl`."""
        return asdict(self)
