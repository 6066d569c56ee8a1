"""Corrects and reads Lightning's counters of batches and epochs in a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def settle(fit_loop: dict[str, Any], per_epoch: int | float) -> None:
    """Count as begun only what is complete, in the saved state of a loop between two steps.

    Lightning has fetched the next batch by then, or closed an epoch that `max_steps` has cut short,
    and would leave out batches and validations that are still to come. Epochs without a length
    (`per_epoch` is infinite) stay as they are.
    """
    if not isinstance(per_epoch, int) or not per_epoch:
        return
    batches, epochs = fit_loop["epoch_loop.batch_progress"], fit_loop["epoch_progress"]
    total = batches["total"]["completed"]
    epoch, done = divmod(total, per_epoch)
    batches["total"] = dict.fromkeys(batches["total"], total)
    batches["current"] = dict.fromkeys(batches["current"], done)
    batches["is_last_batch"] = False
    begun = epoch + bool(done)
    counts = {"ready": begun, "started": begun, "processed": epoch, "completed": epoch}
    epochs["total"], epochs["current"] = counts, dict(counts)


def within_epoch(loops: Mapping[str, Any]) -> bool:
    """Return whether a checkpoint's loops ended in the middle of an epoch."""
    batches = loops["fit_loop"]["epoch_loop.batch_progress"]
    return bool(batches["current"]["completed"]) and not batches["is_last_batch"]
