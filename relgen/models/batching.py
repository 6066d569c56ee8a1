"""Batches of rows of similar lengths, for models that read."""

from __future__ import annotations

from collections.abc import Sequence


def length_batches(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Return batches of similar lengths, each within `budget` padded tokens; longest first.

        >>> length_batches([5, 30, 9, 7], 30)
        [[1], [2, 3, 0]]

    Args:
        lengths: of the rows.
        budget: tokens of a batch, padding included; a longer row is a batch by itself.
    """
    order = sorted(range(len(lengths)), key=lambda row: -lengths[row])
    batches, start = [], 0
    while start < len(order):
        size = max(1, budget // max(1, lengths[order[start]]))
        batches.append(order[start : start + size])
        start += size
    return batches
