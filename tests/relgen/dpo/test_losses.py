"""Losses against numbers worked out by hand.

One pair throughout: log π = (−10, −12), log π_ref = (−11, −11), so that
h = (−10 + 11) − (−12 + 11) = 2; with β = 0.5, βh = 1.
"""

from __future__ import annotations

import math

import pytest
import torch

from relgen.common.errors import InputError
from relgen.dpo.losses import (
    LOSSES,
    PreferenceLoss,
    hinge_loss,
    ipo_loss,
    log_ratio_difference,
    nll_loss,
    robust_loss,
    sigmoid_loss,
)

PAIR = tuple(torch.tensor([value]) for value in (-10.0, -12.0, -11.0, -11.0))


def test_log_ratio_difference():
    assert log_ratio_difference(*PAIR).tolist() == [2.0]


@pytest.mark.parametrize(
    ("loss", "smoothing", "wanted"),
    [
        (sigmoid_loss, 0.0, 0.3132617),  # ln(1 + e⁻¹)
        (sigmoid_loss, 0.1, 0.4132617),  # 0.9 · 0.3132617 + 0.1 · 1.3132617
        (robust_loss, 0.1, 0.1882617),  # (0.9 · 0.3132617 − 0.1 · 1.3132617) / 0.8
        (robust_loss, 0.0, 0.3132617),
        (ipo_loss, 0.0, 1.0),  # (2 − 1 / (2 · 0.5))²
        (hinge_loss, 0.0, 0.0),  # max(0, 1 − 1)
    ],
)
def test_one_pair_by_hand(loss, smoothing, wanted):
    got = loss(log_ratio_difference(*PAIR), beta=0.5, label_smoothing=smoothing)
    torch.testing.assert_close(got, torch.tensor([wanted]))


@pytest.mark.parametrize(
    ("name", "wanted"),
    [("sigmoid", 0.6931472), ("robust", 0.6931472), ("ipo", 25.0), ("hinge", 1.0)],
)
def test_at_step_0_policy_and_reference_agree(name, wanted):
    logps = torch.tensor([-10.0, -300.0]), torch.tensor([-12.0, -1.0])
    got = LOSSES[name](log_ratio_difference(*logps, *logps), 0.1, 0.0)
    torch.testing.assert_close(got, torch.tensor([wanted, wanted]))


def test_gradients_at_step_0_of_dpo():
    chosen = torch.tensor([-10.0], requires_grad=True)
    rejected = torch.tensor([-12.0], requires_grad=True)
    h = log_ratio_difference(chosen, rejected, chosen.detach(), rejected.detach())
    sigmoid_loss(h, beta=0.1).sum().backward()
    # β σ(0) = 0.05
    torch.testing.assert_close(chosen.grad, torch.tensor([-0.05]))
    torch.testing.assert_close(rejected.grad, torch.tensor([0.05]))


def test_far_apart_pairs_stay_finite():
    far = torch.tensor([-1e4]), torch.tensor([0.0]), torch.tensor([0.0]), torch.tensor([-1e4])
    assert sigmoid_loss(log_ratio_difference(*far), beta=1.0).tolist() == [20000.0]


def test_nll_is_per_token():
    got = nll_loss(torch.tensor([-10.0, -6.0]), torch.tensor([5, 12]))
    torch.testing.assert_close(got, torch.tensor([2.0, 0.5]))


def test_pairs_are_not_mixed():
    one, two = torch.tensor([2.0]), torch.tensor([2.0, -1.0])
    for loss in LOSSES.values():
        both = loss(two, 0.5, 0.0)
        assert both.shape == (2,)
        assert both[:1].tolist() == loss(one, 0.5, 0.0).tolist()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (("sigmoid", 0.0, 0.0), "beta"),
        (("sigmoid", math.nan, 0.0), r"beta': must be a number above 0 \(got nan\)"),
        (("sigmoid", math.inf, 0.0), r"beta': must be a number above 0, and finite \(got inf\)"),
        (("sigmoid", 0.1, 0.0, math.nan), "nll_weight': must be a number of at least 0"),
        (("sigmoid", 0.1, 0.0, math.inf), "nll_weight': must be a number of at least 0, and fini"),
        (("sigmoid", 0.1, 0.5), "below 0.5"),
        (("hinge", 0.1, 0.1), "loss 'hinge' has no label smoothing"),
        (("dpo", 0.1, 0.0), "must be one of sigmoid, ipo, hinge, robust"),
    ],
)
def test_settings_without_meaning_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        PreferenceLoss(*settings)
