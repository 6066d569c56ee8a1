"""Where in its epochs a training stands: Lightning restores a loader's epoch, not its place."""

from __future__ import annotations

import warnings
from typing import Any


def position(trainer: Any, batches: int) -> tuple[int, int]:
    """The epoch to go on with, and how many of its batches an interrupted run has had already.

    Args:
        trainer: of the training; None before there is one.
        batches: of an epoch, in each process.
    """
    if trainer is None:
        return 0, 0
    limit = trainer.limit_train_batches
    if limit is not None:
        batches = min(batches, limit) if isinstance(limit, int) else int(batches * limit)
    if not batches:
        return 0, 0
    epoch, skip = divmod(trainer.fit_loop.epoch_loop.batch_progress.total.processed, batches)
    if skip:
        # the sampler goes on where the run stopped, which Lightning has no way to know
        warnings.filterwarnings("ignore", message="You're resuming from a checkpoint that ended")
    return epoch, skip
