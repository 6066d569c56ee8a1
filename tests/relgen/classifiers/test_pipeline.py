"""Predictions from strings and samples."""

from dataclasses import replace

import pytest

import relgen
from relgen.classifiers.calibration import Calibration
from relgen.classifiers.network import NetworkClassifier
from relgen.common.errors import InputError
from relgen.data.samples import Prediction
from relgen.data.schema import Relation, RelationSchema
from tests.tiny.encoders import SCHEMA, samples

pytestmark = pytest.mark.compute


def test_raw_strings_and_offsets(folder):
    loaded = relgen.load_classifier(folder)
    by_text = loaded.predict(text="the storm caused the flood .", head="storm", tail="flood")
    assert loaded.predict("the storm caused the flood .", (4, 9), (21, 26)) == by_text
    assert loaded.predict_many([("the storm caused the flood .", "storm", (21, 26))]) == [
        Prediction("0", by_text.relation, by_text.score, by_text.scores)
    ]
    assert list(by_text.scores) == ["cause", "part", "none"]
    assert sum(by_text.scores.values()) == pytest.approx(1, abs=1e-5)
    assert by_text.score == max(by_text.scores.values())


def test_no_samples_give_no_predictions(folder):
    assert relgen.load_classifier(folder).predict_samples([]) == []


def typed(head, tail):
    one = samples(1)[0]
    return replace(one, head=replace(one.head, type=head), tail=replace(one.tail, type=tail))


MASKS = RelationSchema(
    "masks",
    (
        Relation("cause", "x", ("EVENT",), ("EVENT",)),
        Relation("part", "x", (), ("THING",)),
        Relation("none", "x"),
    ),
    "none",
)


@pytest.mark.parametrize(
    ("types", "possible"),
    [
        ((None, None), ["cause", "part", "none"]),
        (("EVENT", None), ["cause", "part", "none"]),
        (("EVENT", "EVENT"), ["cause", "none"]),
        (("EVENT", "THING"), ["part", "none"]),
        (("THING", "EVENT"), ["none"]),
    ],
)
def test_types_exclude_relations(classifier, types, possible):
    classifier.schema = MASKS
    found = NetworkClassifier(classifier).predict_samples([typed(*types)])[0]
    assert [label for label, p in found.scores.items() if p > 0] == possible
    assert sum(found.scores.values()) == pytest.approx(1, abs=1e-5)
    assert found.relation in possible


def test_types_that_exclude_every_relation_exclude_none(classifier):
    classifier.schema = replace(MASKS, relations=(*MASKS.relations[:2], MASKS.relations[0]))
    found = NetworkClassifier(classifier).predict_samples([typed("THING", "EVENT")])[0]
    assert found.score > 0


@pytest.mark.parametrize(
    ("relation", "score", "threshold", "abstain", "answer"),
    [
        ("cause", 0.8, None, False, "cause"),
        ("cause", 0.6, None, False, "none"),
        ("cause", 0.6, None, True, None),
        ("cause", 0.6, 0.0, True, "cause"),
        ("part", 0.3, None, True, "part"),
        ("none", 0.5, None, True, "none"),
        ("none", 0.5, 0.6, False, "none"),
        ("none", 0.5, 0.6, True, None),
    ],
)
def test_answers(classifier, relation, score, threshold, abstain, answer):
    chosen = Calibration(2.0, {"cause": 0.7, "part": 0.0}, {}, 9, "x", 0.3, 0.1)
    loaded = NetworkClassifier(classifier, calibration=chosen)
    given = loaded.answer(
        Prediction("1", relation, score, {}), threshold=threshold, abstain=abstain
    )
    assert given == answer


def test_without_calibration_every_prediction_is_an_answer(classifier):
    assert NetworkClassifier(classifier).answer(Prediction("1", "cause", 0.1, {})) == "cause"


def test_below_a_threshold_without_a_negative_relation_is_no_answer(classifier):
    classifier.schema = replace(SCHEMA, negative=None)
    given = NetworkClassifier(classifier).answer(Prediction("1", "cause", 0.4, {}), threshold=0.5)
    assert given is None


def test_conformal_sets(classifier):
    chosen = Calibration(2.0, {}, {"0.8": 0.3, "0.9": 0.05}, 9, "x", 0.3, 0.1)
    loaded = NetworkClassifier(classifier, calibration=chosen)
    found = Prediction("1", "part", 0.55, {"cause": 0.35, "part": 0.55, "none": 0.1})
    assert loaded.relations_set(found, "0.8") == ["part", "cause"]
    assert loaded.relations_set(found, "0.9") == ["part", "cause", "none"]
    unsure = Prediction("1", "part", 0.2, {"cause": 0.1, "part": 0.2})
    assert loaded.relations_set(unsure, "0.8") == ["part"]
    with pytest.raises(InputError, match=r"need 99 samples .*has 9.*one of 0.8, 0.9"):
        loaded.relations_set(found, "0.99")
    with pytest.raises(InputError, match=r"has 0.*calibrate it"):
        NetworkClassifier(classifier).relations_set(found, "0.8")
