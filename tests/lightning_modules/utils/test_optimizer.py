"""Optimisers that refuse their settings."""

from __future__ import annotations

from functools import partial

import pytest
import torch

from lightning_modules.utils.optimizer import build_optimizer
from relgen.common import InputError


def test_refused_settings_are_errors_of_the_user() -> None:
    weights = [torch.nn.Parameter(torch.zeros(2))]
    assert build_optimizer(torch.optim.SGD, weights).param_groups[0]["params"] == weights
    for settings in ({"lr": -1.0}, {"unknown": 1}):
        with pytest.raises(InputError, match="optimizer"):
            build_optimizer(partial(torch.optim.AdamW, **settings), weights)
