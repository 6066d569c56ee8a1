"""The structured loss in both modes, against numbers worked out by hand and by numpy."""

import math

import numpy as np
import pytest
import torch

from relgen.classifiers.knowprompt_losses import (
    batch_distance_loss,
    impossible_roles,
    margin_loss,
    random_spans,
    released_structured_loss,
    span_mean,
    structured_loss,
    translation_distance,
)
from relgen.data.schema import Relation, RelationSchema
from tests.relgen.classifiers.tiny_masked import TYPED

POSITIONS = torch.tensor([[4, 1, 3, 5, 8], [3, 0, 2, 4, 6], [6, 3, 5, 7, 9]])
TARGETS = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.25, 0.75]])
APART = torch.tensor([[[False, True], [True, False]]] * 2)


def numbers():
    generator = torch.Generator().manual_seed(1)
    states = torch.randn(3, 10, 4, generator=generator)
    return states, torch.randn(2, 4, generator=generator)


def minus_log_sigmoid(value):
    return math.log(1 + math.exp(-value))


def test_distance():
    found = translation_distance(
        torch.tensor([1.0, 0.0]), torch.tensor([2.0, 4.0]), torch.tensor([0.0, 0.0])
    )
    assert found.item() == 5.0


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


@pytest.mark.parametrize("roles", [(True, True), (True, False), (False, True)])
def test_structured_loss_against_numpy(roles):
    states, answers = numbers()
    # whether heads of another relation are impossible, and whether tails are
    impossible = APART & torch.tensor(roles)[:, None, None]
    found = structured_loss(states, POSITIONS, TARGETS, answers, impossible, 0.3)
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


def test_the_released_loss_against_numpy():
    states, answers = numbers()
    spans = torch.tensor([[[1, 3], [2, 7], [9, 10]], [[4, 5], [1, 2], [3, 8]]])
    found = batch_distance_loss(states, POSITIONS, TARGETS @ answers, spans, 0.3)
    x, relation = states.numpy(), (TARGETS @ answers).numpy()
    # the entities' own tokens, between their type words
    head = np.stack([x[0, 2:3].mean(0), x[1, 1:2].mean(0), x[2, 4:5].mean(0)])
    tail = np.stack([x[0, 6:8].mean(0), x[1, 5:6].mean(0), x[2, 8:9].mean(0)])
    mask = np.stack([x[0, 4], x[1, 3], x[2, 6]])
    false_head = np.stack([x[0, 1:3].mean(0), x[1, 2:7].mean(0), x[2, 9:10].mean(0)])
    false_tail = np.stack([x[0, 4:5].mean(0), x[1, 1:2].mean(0), x[2, 3:8].mean(0)])
    near = np.linalg.norm(head + mask - tail) / 3
    far = np.linalg.norm(false_head + relation - false_tail) / 3
    expected = minus_log_sigmoid(0.3 - near) + minus_log_sigmoid(far - 0.3)
    assert found.tolist() == pytest.approx([expected] * 3, rel=1e-5)


def test_both_losses_reach_states_and_answer_words():
    for loss in (structured_loss, released_structured_loss):
        states, answers = (x.requires_grad_() for x in numbers())
        loss(states, POSITIONS, TARGETS, answers, APART, 0.3).sum().backward()
        assert states.grad.any()
        assert answers.grad.any()


def test_span_means():
    states = torch.arange(6.0).view(1, 6, 1).expand(3, 6, 1)
    found = span_mean(states, torch.tensor([1, 0, 4]), torch.tensor([3, 6, 4]))
    assert found.flatten().tolist() == [1.5, 2.5, 0.0]


@pytest.mark.parametrize("length", [2, 5, 7, 40])
def test_spans_by_chance_lie_within_the_input(length):
    torch.manual_seed(0)
    spans = random_spans(500, length, torch.device("cpu"))
    start, end = spans.unbind(dim=-1)
    assert start.min() == 1
    assert end.max() <= length
    assert (end > start).all()
    if length == 40:
        # the released code's bounds: starts up to T - 6, at most five tokens
        assert start.max() == 34
        assert {*(end - start).flatten().tolist()} == {1, 2, 3, 4, 5}


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
