"""Losses worked out by hand."""

import math

import torch
import torch.nn.functional as F

from relgen.classifiers.losses import by_source, smoothed_cross_entropy, weighted_mean


def test_equal_logits_cost_log_of_the_labels():
    losses = smoothed_cross_entropy(torch.zeros(2, 4), torch.tensor([0, 3]), torch.tensor([0, 0.3]))
    torch.testing.assert_close(losses, torch.full((2,), math.log(4)))


def test_smoothing_is_that_of_torch_sample_by_sample():
    logits, labels = torch.tensor([[2.0, 0.0, -1.0], [0.5, 0.1, 0.0]]), torch.tensor([0, 2])
    losses = smoothed_cross_entropy(logits, labels, torch.tensor([0.0, 0.2]))
    expected = [
        F.cross_entropy(logits[:1], labels[:1]),
        F.cross_entropy(logits[1:], labels[1:], label_smoothing=0.2),
    ]
    torch.testing.assert_close(losses, torch.stack(expected))


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
