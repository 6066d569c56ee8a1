"""Losses against numbers worked out by hand and by numpy."""

import math

import numpy as np
import pytest
import torch

from relgen.classifiers.losses import (
    impossible_roles,
    margin_loss,
    structured_loss,
    target_probabilities,
    weighted_mean,
)
from relgen.data.schema import Relation, RelationSchema
from tests.tiny.encoders import TYPED

pytestmark = pytest.mark.compute


def test_targets_stand_where_there_are_any():
    labels = torch.tensor([2, 0])
    certain = [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]
    assert target_probabilities(labels, torch.empty(2, 0), 3).tolist() == certain
    mixed = torch.tensor([[0.0, 0.0, 0.0], [0.5, 0.25, 0.25]])
    assert target_probabilities(labels, mixed, 3).tolist() == [certain[0], [0.5, 0.25, 0.25]]


def test_the_mean_is_weighted():
    assert weighted_mean(torch.tensor([1.0, 4.0]), torch.tensor([2.0, 1.0])) == 2.0


def test_a_batch_without_weight_has_no_gradient():
    losses = torch.tensor([1.0, 4.0], requires_grad=True)
    mean = weighted_mean(losses, torch.zeros(2))
    mean.backward()
    assert mean == 0
    assert losses.grad.tolist() == [0, 0]


POSITIONS = torch.tensor([[4, 1, 3, 5, 8], [3, 0, 2, 4, 6], [6, 3, 5, 7, 9]])
TARGETS = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.25, 0.75]])
APART = torch.tensor([[[False, True], [True, False]]] * 2)


def numbers():
    generator = torch.Generator().manual_seed(1)
    states = torch.randn(3, 10, 4, generator=generator)
    return states, torch.randn(2, 4, generator=generator)


def minus_log_sigmoid(value):
    return math.log(1 + math.exp(-value))


def test_margin_loss_by_hand():
    loss = margin_loss(
        torch.tensor([0.3, 1.3]),
        torch.tensor([[0.3, 99.0], [2.3, 0.3]]),
        torch.tensor([[True, False], [False, False]]),
        0.3,
    )
    # on the margin each half costs ln 2; without a corrupted triple the true one is all
    expected = [2 * math.log(2), minus_log_sigmoid(-1.0)]
    assert loss.tolist() == pytest.approx(expected, rel=1e-5)
    several = margin_loss(
        torch.tensor([0.3]), torch.tensor([[0.3, 1.3]]), torch.tensor([[True, True]]), 0.3
    )
    expected = math.log(2) + (math.log(2) + minus_log_sigmoid(1.0)) / 2
    assert several.item() == pytest.approx(expected, rel=1e-5)


def test_the_structured_loss_reaches_states_and_answer_words():
    states, answers = (x.requires_grad_() for x in numbers())
    structured_loss(states[:, :5], TARGETS, answers, APART, 0.3).sum().backward()
    assert states.grad.any()
    assert answers.grad.any()


@pytest.mark.parametrize("roles", [(True, True), (True, False), (False, True)])
def test_structured_loss_against_numpy(roles):
    states, answers = numbers()
    # whether heads of another relation are impossible, and whether tails are
    impossible = APART & torch.tensor(roles)[:, None, None]
    found = structured_loss(
        states[torch.arange(3)[:, None], POSITIONS], TARGETS, answers, impossible, 0.3
    )
    x, e, labels = states.numpy(), answers.numpy(), [0, 1, 1]
    heads = [(x[i, p[1]] + x[i, p[2]]) / 2 for i, p in enumerate(POSITIONS.tolist())]
    tails = [(x[i, p[3]] + x[i, p[4]]) / 2 for i, p in enumerate(POSITIONS.tolist())]
    relations = [e[0], e[1], 0.25 * e[0] + 0.75 * e[1]]
    for i in range(3):
        near = np.linalg.norm(heads[i] + x[i, POSITIONS[i, 0]] - tails[i])
        others = [j for j in range(3) if labels[j] != labels[i]]
        far = [np.linalg.norm(heads[j] + relations[i] - tails[i]) for j in others if roles[0]]
        far += [np.linalg.norm(heads[i] + relations[i] - tails[j]) for j in others if roles[1]]
        expected = minus_log_sigmoid(0.3 - near)
        expected += np.mean([minus_log_sigmoid(d - 0.3) for d in far])
        assert found[i].item() == pytest.approx(float(expected), rel=1e-5)


def test_who_cannot_play_a_role():
    heads, tails = impossible_roles(TYPED).tolist()
    # rows: Cause-Effect both ways, founded_by, born_in, no_relation
    assert heads[2] == [True, True, False, True, True]  # organisations, not persons
    assert tails[3] == [True, True, True, False, True]
    assert heads[0] == [False, True, True, True, True]  # no types: any other relation
    shared = RelationSchema("s", (Relation("a", "x", ("P",)), Relation("b", "x", ("Q", "P"))))
    assert impossible_roles(shared).tolist() == [
        [[False, False], [False, False]],
        [[False, True], [True, False]],
    ]
