"""A calibrated classifier: the same relations, other probabilities, and it is saved."""

import pytest
import torch

import relgen
from relgen.classifiers.calibration import calibrate
from relgen.classifiers.network import NetworkClassifier, compute_logits
from relgen.classifiers.saved import save_classifier
from tests.tiny.encoders import samples

pytestmark = pytest.mark.compute


def test_a_calibrated_classifier_is_saved_as_such(classifier, tmp_path):
    before = NetworkClassifier(classifier).predict_samples(samples(30))
    logits = compute_logits(classifier, classifier.encoding.encode(samples(30)), 2048)
    labels = torch.tensor([0, 1, 2] * 10)
    made = calibrate(classifier, logits, labels, "the validation file")
    assert made.samples == 30
    assert made.temperature == pytest.approx(float(classifier.temperature))
    assert made.temperature > 1
    # untrained, and confident
    assert made.error < made.error_before
    save_classifier(classifier, tmp_path / "model", calibration=made)
    loaded = relgen.load_classifier(tmp_path / "model")
    assert loaded.calibration == made
    after = loaded.predict_samples(samples(30))
    assert [one.relation for one in after] == [one.relation for one in before]
    expected = (logits / made.temperature).softmax(1).max(1).values.tolist()
    assert [one.score for one in after] == pytest.approx(expected, abs=1e-5)
    classifier.restart()
    assert float(classifier.temperature) == 1
