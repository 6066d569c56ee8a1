"""Scores against values worked out by hand, and the official score against its definition."""

import json
import random
from dataclasses import asdict

import pytest
import torch

from relgen.data.schema import Relation, RelationSchema
from relgen.evaluation.scores import score, score_labels

THREE = RelationSchema("three", (Relation("a", "x"), Relation("b", "x"), Relation("no", "x")), "no")
NINE = [f"R{number}" for number in range(9)]


def semeval(name="semeval2010"):
    directed = [
        Relation(f"{group}({way})", "x", undirected=group)
        for group in NINE
        for way in ("e1,e2", "e2,e1")
    ]
    return RelationSchema(name, (*directed, Relation("Other", "x")), "Other")


def test_scores_worked_out_by_hand():
    gold = ["a", "a", "a", "b", "b", "no", "no", "no"]
    predicted = ["a", "a", "no", "b", "a", "no", "b", "no"]
    scores = score_labels(predicted, gold, THREE)
    # positives: 3 hits, 5 predicted, 5 gold
    assert (scores.precision, scores.recall, scores.micro_f1) == pytest.approx((0.6, 0.6, 0.6))
    # a: 2 hits of 3 predicted and 3 gold; b: 1 of 2 and 2
    assert scores.per_relation["a"].f1 == pytest.approx(2 / 3)
    assert scores.per_relation["b"].f1 == pytest.approx(0.5)
    assert scores.macro_f1 == pytest.approx((2 / 3 + 0.5) / 2)
    assert scores.per_relation["no"].support == 3
    assert scores.confusion == ((2, 0, 1), (1, 1, 0), (0, 1, 2))
    assert scores.official_f1 is None


def test_without_a_negative_label_micro_f1_is_accuracy():
    schema = RelationSchema("two", (Relation("a", "x"), Relation("b", "x")))
    scores = score_labels(["a", "b", "b", "b"], ["a", "a", "b", "b"], schema)
    assert scores.micro_f1 == pytest.approx(0.75)


@pytest.mark.parametrize(
    ("predicted", "gold"), [([], []), (["no"], ["a"]), (["a"], ["no"]), (["no"], ["no"])]
)
def test_divisions_by_zero_give_zero(predicted, gold):
    scores = score_labels(predicted, gold, THREE)
    assert (scores.micro_f1, scores.macro_f1, scores.precision, scores.recall) == (0, 0, 0, 0)


def test_a_label_that_never_occurs_counts_as_zero_in_the_mean():
    assert score_labels(["a"], ["a"], THREE).macro_f1 == pytest.approx(0.5)


def test_a_wrong_direction_is_an_error():
    right, wrong = "R0(e1,e2)", "R0(e2,e1)"
    # R0: 1 hit, 3 predicted, 2 gold: P 1/3, R 1/2, F1 0.4; no other relation is in the key
    scores = score_labels([right, wrong, right], [right, right, "Other"], semeval())
    assert scores.official_f1 == pytest.approx(0.4)


def test_the_official_score_is_the_mean_over_the_relations_in_the_key():
    gold = ["R0(e1,e2)", "R1(e2,e1)", "Other"]
    predicted = ["R0(e1,e2)", "R2(e1,e2)", "R3(e1,e2)"]
    assert score_labels(predicted, gold, semeval()).official_f1 == pytest.approx(0.5)
    assert score_labels(["R3(e1,e2)"], ["Other"], semeval()).official_f1 == 0.0


def test_the_official_score_follows_its_definition():
    schema, rng = semeval(), random.Random(7)
    gold = [rng.choice(schema.labels) for _ in range(400)]
    predicted = [x if rng.random() < 0.5 else rng.choice(schema.labels) for x in gold]
    f1s = []
    for group in NINE:
        hits = sum(p == g and g.startswith(group) for p, g in zip(predicted, gold, strict=True))
        precision = hits / sum(p.startswith(group) for p in predicted)
        recall = hits / sum(g.startswith(group) for g in gold)
        f1s.append(2 * precision * recall / (precision + recall))
    assert score_labels(predicted, gold, schema).official_f1 == pytest.approx(sum(f1s) / 9)


def test_the_official_score_is_for_semeval_only():
    def official(schema: RelationSchema) -> float | None:
        return score(torch.eye(len(schema), dtype=torch.long), schema).official_f1

    assert official(semeval()) == 1.0
    assert official(semeval("everyday")) is None
    assert official(RelationSchema("semeval", THREE.relations, "no")) is None


def test_the_json_holds_what_scores_json_promises():
    row = asdict(score(torch.tensor([[1, 0, 0], [0, 0, 0], [0, 0, 0]]), THREE))
    assert json.loads(json.dumps(row)) == {
        "micro_f1": 1.0,
        "macro_f1": 0.5,
        "official_f1": None,
        "precision": 1.0,
        "recall": 1.0,
        "per_relation": {
            "a": {"precision": 1.0, "recall": 1.0, "f1": 1.0, "support": 1},
            "b": {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 0},
            "no": {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 0},
        },
        "confusion": [[1, 0, 0], [0, 0, 0], [0, 0, 0]],
        "labels": ["a", "b", "no"],
    }
