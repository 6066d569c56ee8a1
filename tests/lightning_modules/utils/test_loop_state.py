from __future__ import annotations

from typing import Any

import pytest

from lightning_modules.utils.loop_state import settle

NAMES = ("ready", "started", "processed", "completed")


def counts(*values: int) -> dict[str, int]:
    return dict(zip(NAMES, values, strict=True))


def loop(total: Any, current: Any, epochs: Any, last: bool = False) -> dict[str, Any]:
    """Return a saved loop; the four counters of batches, of the epoch's batches and of epochs."""
    batches = {"total": counts(*total), "current": counts(*current), "is_last_batch": last}
    progress = {"total": counts(*epochs), "current": counts(*epochs)}
    return {"epoch_loop.batch_progress": batches, "epoch_progress": progress}


@pytest.mark.parametrize(
    ("saved", "settled"),
    [
        # within the third epoch of six batches; the next batch is fetched
        (
            loop((15, 14, 14, 14), (3, 2, 2, 2), (3, 3, 2, 2)),
            loop((14, 14, 14, 14), (2, 2, 2, 2), (3, 3, 2, 2)),
        ),
        # the third epoch has begun, and none of its batches
        (
            loop((13, 12, 12, 12), (1, 0, 0, 0), (3, 3, 2, 2)),
            loop((12, 12, 12, 12), (0, 0, 0, 0), (2, 2, 2, 2)),
        ),
        # after the last batch of an epoch that `max_steps` has cut short
        (
            loop((15, 15, 15, 15), (3, 3, 3, 3), (3, 3, 3, 3)),
            loop((15, 15, 15, 15), (3, 3, 3, 3), (3, 3, 2, 2)),
        ),
        # after the last batch of the last epoch
        (
            loop((18, 18, 18, 18), (6, 6, 6, 6), (3, 3, 3, 3), last=True),
            loop((18, 18, 18, 18), (0, 0, 0, 0), (3, 3, 3, 3)),
        ),
    ],
)
def test_only_what_is_complete_counts(saved: dict[str, Any], settled: dict[str, Any]) -> None:
    settle(saved, 6)
    assert saved == settled


def test_epochs_without_a_length_stay() -> None:
    saved = loop((15, 14, 14, 14), (3, 2, 2, 2), (3, 3, 2, 2))
    settle(saved, float("inf"))
    assert saved == loop((15, 14, 14, 14), (3, 2, 2, 2), (3, 3, 2, 2))
