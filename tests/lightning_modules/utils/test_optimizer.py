"""Optimisers that refuse their settings."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from lightning.pytorch import Trainer

from lightning_modules.utils.optimizer import build_optimizer, training_steps
from relgen.common import InputError


def test_refused_settings_are_errors_of_the_user() -> None:
    weights = [torch.nn.Parameter(torch.zeros(2))]
    assert build_optimizer(torch.optim.SGD, weights).param_groups[0]["params"] == weights
    for settings in ({"lr": -1.0}, {"unknown": 1}):
        with pytest.raises(InputError, match="optimizer"):
            build_optimizer(partial(torch.optim.AdamW, **settings), weights)


def test_a_training_without_an_end_has_no_number_of_steps() -> None:
    trainer = Trainer(accelerator="cpu", max_epochs=-1, logger=False, enable_checkpointing=False)
    with pytest.raises(InputError, match=r"field 'trainer.max_epochs': .* needs an end"):
        training_steps(trainer)
