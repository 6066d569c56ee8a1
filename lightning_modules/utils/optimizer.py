"""Optimisers, built from the settings of a user."""

from __future__ import annotations

from typing import Any

from lightning.pytorch.cli import OptimizerCallable
from torch.optim import Optimizer

from relgen.common import InputError


def build_optimizer(make: OptimizerCallable, parameters: Any) -> Optimizer:
    """Build the optimiser of parameters or groups; raise InputError if it refuses its settings."""
    try:
        return make(parameters)
    except (TypeError, ValueError) as error:
        raise InputError(str(error), field="optimizer") from error
