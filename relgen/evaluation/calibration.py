"""Calibrates probabilities, measures how far they can be trusted, and chooses thresholds.

One temperature divides all logits (Guo et al. 2017, arXiv 1706.04599): it changes probabilities,
and not which relation is the most probable. N samples, R labels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from relgen.data import RelationSchema

BINS = 10
COVERAGES = (0.8, 0.9, 0.95, 0.99)
# of a relation's predictions, for a threshold of its own
_FEWEST = 10
_HOTTEST = 20.0


class Bin(NamedTuple):
    """Predictions of similar confidence: its mean, the share that is right, and their number."""

    confidence: float
    accuracy: float
    size: int


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """Return the temperature that fits logits (N, R) of held-out samples best to labels (N,).

    It minimises the cross-entropy with targets smoothed as by Platt (1999): the label has the
    probability (N + 1) / (N + 2), so that a few samples that are all right do not
    make it certain.
    """
    count, size = logits.shape
    if not count or size < 2:
        return 1.0
    spread = 1 / (count + 2) / (size - 1)
    targets = torch.full((count, size), spread, dtype=torch.double)
    targets.scatter_(1, labels[:, None].cpu(), (count + 1) / (count + 2))
    logits = logits.detach().double().cpu()
    wanted = (targets * logits).sum(dim=1).mean()

    def slope(inverse: float) -> float:
        """Return the derivative of the cross-entropy, which rises with the inverse temperature."""
        expected = ((inverse * logits).softmax(dim=1) * logits).sum(dim=1).mean()
        return float(expected - wanted)

    low, high = math.log(1 / _HOTTEST), math.log(_HOTTEST)
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if slope(math.exp(middle)) < 0 else (low, middle)
    return math.exp(-low)


def reliability(confidence: Tensor, correct: Tensor, bins: int = BINS) -> list[Bin]:
    """Return the bins of a reliability diagram that are not empty: equal parts of 0 to 1.

    `confidence` (N,) is the probability of the predicted relation, `correct` (N,) whether it is
    right.
    """
    places = (confidence * bins).ceil().clamp(min=1).long() - 1  # (0, 0.1] is the first
    made = []
    for place in places.unique(sorted=True).tolist():
        inside = places == place
        right = float(correct[inside].double().mean())
        made.append(Bin(float(confidence[inside].mean()), right, int(inside.sum())))
    return made


def calibration_error(bins: Sequence[Bin]) -> float:
    """Return the expected calibration error (ECE): the mean gap of confidence and accuracy."""
    total = sum(each.size for each in bins)
    return sum(each.size * abs(each.confidence - each.accuracy) for each in bins) / max(total, 1)


def risk_coverage(confidence: Tensor, correct: Tensor, points: int = 20) -> list[list[float]]:
    """Return [coverage, risk] pairs: the share of wrong answers among the most confident ones.

    The last pair is the error rate when every sample (N of them) is answered.
    """
    order = confidence.argsort(descending=True, stable=True)
    wrong = (~correct.bool())[order].double().cumsum(dim=0)  # (N,)
    counts = [math.ceil(len(order) * step / points) for step in range(1, points + 1)]
    numbers = sorted(set(counts)) if len(order) else []
    return [[number / len(order), float(wrong[number - 1]) / number] for number in numbers]


def measure_confidence(confidence: Tensor, correct: Tensor) -> dict[str, Any]:
    """Return ECE, reliability diagram and risk-coverage curve, as in `scores.json`."""
    bins = reliability(confidence, correct)
    return {
        "samples": len(confidence),
        "error": calibration_error(bins),
        "reliability": [list(each) for each in bins],
        "risk_coverage": risk_coverage(confidence, correct),
    }


def choose_thresholds(
    probabilities: Tensor, labels: Tensor, schema: RelationSchema
) -> dict[str, float]:
    """Return for each positive label the least probability to predict it with, for the best F1.

    `probabilities` (N, R) and `labels` (N,) are of held-out samples. A label that is predicted
    fewer than 10 times takes the threshold that is best over all positive labels.
    """
    confidence, predicted = probabilities.max(dim=1)
    correct, positive = (
        predicted == labels,
        torch.tensor([label != schema.negative for label in schema.labels]),
    )
    chosen = positive[predicted]
    shared = _threshold(confidence[chosen], correct[chosen], int(positive[labels].sum()))
    made = {}
    for number, label in enumerate(schema.labels):
        own = predicted == number
        if label != schema.negative:
            gold = int((labels == number).sum())
            enough = own.sum() >= _FEWEST
            made[label] = _threshold(confidence[own], correct[own], gold) if enough else shared
    return made


def conformal_levels(probabilities: Tensor, labels: Tensor) -> dict[str, float]:
    """Return by coverage the least probability of the relations in a conformal set.

    The set of all relations of at least this probability holds the true one with the coverage's
    probability, for samples like the held-out ones with `probabilities` (N, R) and `labels` (N,):
    split conformal prediction (Sadinle et al. 2019, arXiv 1609.00451). A coverage for which N is
    too small is left out.
    """
    given = probabilities.gather(1, labels[:, None])[:, 0].sort(descending=True).values  # (N,)
    ranks = {level: math.ceil((len(given) + 1) * level) for level in COVERAGES}
    return {
        str(level): math.floor(1e6 * float(given[rank - 1])) / 1e6
        for level, rank in ranks.items()
        if rank <= len(given)
    }


def samples_for(coverage: float) -> int:
    """Return how many held-out samples conformal sets of this coverage need."""
    return next(n for n in range(1, 10_000) if math.ceil((n + 1) * coverage) <= n)


def _threshold(confidence: Tensor, correct: Tensor, gold: int) -> float:
    """Return the threshold with the best F1, the lowest of equally good ones; 0 keeps all."""
    if not len(confidence):
        return 0.0
    ordered, order = confidence.sort(descending=True)
    kept = torch.arange(1, len(order) + 1)
    f1 = 2 * correct[order].cumsum(dim=0) / (kept + gold)
    best = len(f1) - 1 - int(f1.flip(0).argmax())
    if best == len(f1) - 1:
        return 0.0
    return round(float(ordered[best] + ordered[best + 1]) / 2, 4)
