"""Calibrates a trained classifier on samples that it was not trained on."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from relgen.classifiers.base import Classifier
from relgen.evaluation import (
    choose_thresholds,
    conformal_levels,
    fit_temperature,
    measure_confidence,
)


@dataclass(frozen=True, slots=True)
class Calibration:
    """The calibration of a classifier: `calibration` in its `config.json`."""

    temperature: float
    """Divides the logits; part of the weights."""
    thresholds: dict[str, float]
    """Least probability to predict each positive relation with."""
    sets: dict[str, float]
    """Least probability of the relations in a conformal set, by coverage."""
    samples: int
    """Number of held-out samples."""
    source: str
    """Where they come from."""
    error_before: float
    """Expected calibration error on them without the temperature."""
    error: float
    """The same with it."""


def calibrate(classifier: Classifier, logits: Tensor, labels: Tensor, source: str) -> Calibration:
    """Set a classifier's temperature, and return it with thresholds and errors.

    `logits` (N, R), without a temperature, and `labels` (N,) are of held-out samples: of this
    classifier, or of others that were trained alike.
    """
    logits = logits.detach().cpu()
    temperature = fit_temperature(logits, labels)

    def error(logits: Tensor) -> float:
        confidence, predicted = logits.softmax(dim=1).max(dim=1)
        return measure_confidence(confidence, predicted == labels)["error"]

    classifier.temperature.fill_(temperature)
    probabilities = (logits / temperature).softmax(dim=1)
    return Calibration(
        temperature=temperature,
        thresholds=choose_thresholds(probabilities, labels, classifier.schema),
        sets=conformal_levels(probabilities, labels),
        samples=len(labels),
        source=source,
        error_before=error(logits),
        error=error(logits / temperature),
    )
