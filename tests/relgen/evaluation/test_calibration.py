"""Temperature, reliability, risk and thresholds, worked out by hand."""

import pytest
import torch
from torchmetrics.functional.classification import multiclass_calibration_error

from relgen.data.schema import Relation, RelationSchema
from relgen.evaluation.calibration import (
    Bin,
    calibration_error,
    choose_thresholds,
    conformal_levels,
    fit_temperature,
    measure_confidence,
    reliability,
    risk_coverage,
    samples_for,
)

SCHEMA = RelationSchema(
    "two", (Relation("a", "x"), Relation("b", "x"), Relation("none", "x")), "none"
)


def test_the_temperature_makes_confidence_what_is_right():
    # three of four are right, and targets are smoothed by 1/6
    logits = torch.tensor([[4.0, 0.0]] * 4)
    labels = torch.tensor([0, 0, 0, 1])
    temperature = fit_temperature(logits, labels)
    # (3 * 5/6 + 1/6) / 4 = 2/3 for the first label: a logit of ln 2
    assert temperature == pytest.approx(4 / 0.693147, rel=1e-4)
    assert (logits / temperature).softmax(1)[0, 0] == pytest.approx(2 / 3, rel=1e-4)


def test_samples_that_are_all_right_do_not_make_certain():
    logits = torch.tensor([[1.0, 0.0]] * 6)
    temperature = fit_temperature(logits, torch.zeros(6, dtype=torch.long))
    assert (logits / temperature).softmax(1)[0, 0] == pytest.approx(7 / 8, rel=1e-4)


@pytest.mark.parametrize("logits", [torch.zeros(0, 3), torch.zeros(5, 1)])
def test_nothing_to_fit_leaves_the_logits(logits):
    assert fit_temperature(logits, torch.zeros(len(logits), dtype=torch.long)) == 1.0


def test_reliability_and_error():
    confidence = torch.tensor([0.95, 0.99, 0.35, 0.31])
    correct = torch.tensor([True, False, True, True])
    bins = reliability(confidence, correct)
    assert [each.size for each in bins] == [2, 2]
    assert bins[0] == Bin(pytest.approx(0.33), 1.0, 2)
    assert bins[1] == Bin(pytest.approx(0.97), 0.5, 2)
    assert calibration_error(bins) == pytest.approx(0.5 * 0.67 + 0.5 * 0.47)
    assert calibration_error([]) == 0


def test_the_error_is_that_of_torchmetrics():
    torch.manual_seed(1)
    probabilities, labels = torch.randn(300, 4).mul(2).softmax(1), torch.randint(4, (300,))
    confidence, predicted = probabilities.max(1)
    ours = measure_confidence(confidence, predicted == labels)["error"]
    theirs = multiclass_calibration_error(probabilities, labels, 4, n_bins=10)
    assert ours == pytest.approx(float(theirs), abs=1e-6)


def test_risk_rises_with_coverage():
    confidence = torch.tensor([0.9, 0.6, 0.8, 0.7])
    correct = torch.tensor([True, False, True, False])
    assert risk_coverage(confidence, correct, points=4) == [
        [0.25, 0.0],
        [0.5, 0.0],
        [0.75, pytest.approx(1 / 3)],
        [1.0, 0.5],
    ]
    assert risk_coverage(confidence[:0], correct[:0]) == []


def probabilities(rows):
    """Rows of the predicted label and its probability; the rest is shared out."""
    made = torch.zeros(len(rows), 3)
    for row, (label, value) in enumerate(rows):
        made[row] = (1 - value) / 2
        made[row, label] = value
    return made


def test_thresholds_drop_predictions_that_cost_more_than_they_give():
    # `a` is right from 0.8 on, six times, and wrong at 0.6, six times; `b` is too rare to tell
    rows = [(0, 0.8)] * 6 + [(0, 0.6)] * 6 + [(1, 0.9), (2, 0.9)]
    labels = torch.tensor([0] * 6 + [2] * 6 + [1, 2])
    found = choose_thresholds(probabilities(rows), labels, SCHEMA)
    # over both labels, the best F1 also keeps 0.8 and above
    assert found == {"a": 0.7, "b": 0.7}
    kept = choose_thresholds(probabilities(rows), torch.tensor([0] * 12 + [1, 2]), SCHEMA)
    assert kept == {"a": 0.0, "b": 0.0}


def test_without_a_prediction_every_threshold_is_zero():
    found = choose_thresholds(probabilities([(2, 0.9)]), torch.tensor([0]), SCHEMA)
    assert found == {"a": 0.0, "b": 0.0}


def test_conformal_levels_are_those_of_the_ranks():
    # of ten samples, 9/11 have at least the probability of the ninth, and 10/11 of the tenth
    given = torch.tensor([0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6, 0.5, 0.25])
    rows = torch.stack([given, 1 - given], dim=1)
    assert conformal_levels(rows, torch.zeros(10, dtype=torch.long)) == {"0.8": 0.5, "0.9": 0.25}
    assert [samples_for(level) for level in (0.8, 0.9, 0.95, 0.99)] == [4, 9, 19, 99]
    assert conformal_levels(rows[:3], torch.zeros(3, dtype=torch.long)) == {}
