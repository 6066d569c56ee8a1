"""Losses worked out by hand."""

import math

import pytest
import torch
import torch.nn.functional as F

from relgen.classifiers.losses import (
    by_source,
    smoothed_cross_entropy,
    target_probabilities,
    weighted_mean,
)


def test_equal_logits_cost_log_of_the_labels():
    targets = F.one_hot(torch.tensor([0, 3]), 4).float()
    losses = smoothed_cross_entropy(torch.zeros(2, 4), targets, torch.tensor([0, 0.3]))
    torch.testing.assert_close(losses, torch.full((2,), math.log(4)))


def test_smoothing_is_that_of_torch_sample_by_sample():
    logits, labels = torch.tensor([[2.0, 0.0, -1.0], [0.5, 0.1, 0.0]]), torch.tensor([0, 2])
    targets = F.one_hot(labels, 3).float()
    losses = smoothed_cross_entropy(logits, targets, torch.tensor([0.0, 0.2]))
    expected = [
        F.cross_entropy(logits[:1], labels[:1]),
        F.cross_entropy(logits[1:], labels[1:], label_smoothing=0.2),
    ]
    torch.testing.assert_close(losses, torch.stack(expected))


def test_uncertain_labels_cost_what_each_would_cost_on_its_own():
    logits, targets = torch.tensor([[2.0, 0.0, -1.0]]), torch.tensor([[0.5, 0.25, 0.25]])
    costs = [F.cross_entropy(logits, torch.tensor([label])).item() for label in range(3)]
    loss = smoothed_cross_entropy(logits, targets, torch.zeros(1))
    assert loss.item() == pytest.approx(costs[0] / 2 + costs[1] / 4 + costs[2] / 4)


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


def test_numbers_by_source():
    assert by_source(torch.tensor([True, False]), 1.0, 0.25).tolist() == [0.25, 1.0]
