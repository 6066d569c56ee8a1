"""Optimisers, built from the settings of a user, and the number of their steps."""

from __future__ import annotations

from typing import Any

from lightning.pytorch import Trainer
from lightning.pytorch.cli import OptimizerCallable
from torch.optim import Optimizer

from relgen.common import InputError


def build_optimizer(make: OptimizerCallable, parameters: Any) -> Optimizer:
    """Build the optimiser of parameters or groups; raise InputError if it refuses its settings."""
    try:
        return make(parameters)
    except (TypeError, ValueError) as error:
        raise InputError(str(error), field="optimizer") from error


def training_steps(trainer: Trainer) -> int:
    """Count the optimiser's steps in a training; raise InputError if it has no end."""
    total = trainer.estimated_stepping_batches
    if total == float("inf"):
        raise InputError(
            "a learning rate that decays needs an end",
            field="trainer.max_epochs",
            remedy="set trainer.max_epochs or trainer.max_steps",
        )
    # counting makes the loaders, which a resumed run must make after its epoch is restored
    trainer.fit_loop._combined_loader = None
    return int(total)
