"""Predictions of a network in both precisions."""

import pytest
import torch

import relgen
from relgen.classifiers import network
from relgen.classifiers.network import NetworkClassifier, close_calls
from relgen.common.errors import InputError
from tests.tiny.encoders import samples

pytestmark = pytest.mark.compute


def labels(predictions):
    return [prediction.relation for prediction in predictions]


def test_bfloat16_gives_the_same_labels(classifier):
    # far enough apart that not all of them are computed again
    with torch.no_grad():
        classifier.output.weight *= 3
    exact = NetworkClassifier(classifier).predict_samples(samples(60))
    rounded = NetworkClassifier(classifier, precision="bfloat16").predict_samples(samples(60))
    assert labels(rounded) == labels(exact)
    assert rounded != exact
    for one, other in zip(rounded, exact, strict=True):
        assert one.score == pytest.approx(other.score, abs=0.1)


def test_bfloat16_computes_close_decisions_again(classifier, monkeypatch):
    monkeypatch.setattr(network, "_CLOSE", float("inf"))
    exact = NetworkClassifier(classifier).predict_samples(samples(20))
    assert NetworkClassifier(classifier, precision="bfloat16").predict_samples(samples(20)) == exact


@pytest.mark.parametrize("fast", [True, False])
def test_an_emulated_precision_is_warned_of(classifier, monkeypatch, caplog, fast):
    monkeypatch.setattr(network, "multiplies_bfloat16", lambda: fast)
    NetworkClassifier(classifier)
    assert not caplog.text
    NetworkClassifier(classifier, precision="bfloat16")
    assert ("no instructions for bfloat16" in caplog.text) is not fast


def test_an_unknown_precision_is_named(folder):
    with pytest.raises(InputError, match=r"precision.*float32, bfloat16.*'int4'"):
        relgen.load_classifier(folder, precision="int4")


def test_close_calls_grow_with_the_logits():
    logits = torch.tensor([[1.0, 0.95], [1.0, 0.5], [40.0, 39.5], [40.0, 38.0]])
    assert close_calls(logits) == [0, 2]
