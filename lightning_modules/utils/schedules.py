"""Learning-rate schedules as factors of the step."""

from __future__ import annotations

import math
from typing import Literal

Schedule = Literal["constant", "linear", "cosine"]


def learning_rate_factor(
    step: int, *, warmup_steps: int, total_steps: float, schedule: Schedule
) -> float:
    """Return the learning rate's factor from 0 to 1: a linear warm-up, then a decay towards 0.

    Unlike with transformers' schedules, the first step has a learning rate above 0.

    Args:
        step: optimiser steps taken so far.
        warmup_steps: step i of these gets (i + 1) / warmup_steps.
        total_steps: where the decay reaches 0; not used for `constant` and during the warm-up.
        schedule: the shape of the decay.
    """
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    if schedule == "constant" or step == warmup_steps:
        return 1.0
    progress = min(1.0, (step - warmup_steps) / max(1.0, total_steps - warmup_steps))
    if schedule == "linear":
        return 1.0 - progress
    return 0.5 * (1.0 + math.cos(math.pi * progress))
