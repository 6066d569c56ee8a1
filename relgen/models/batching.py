"""Batches for models that read: rows of similar lengths, and rows of trees."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


def length_batches(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Return batches of similar lengths, each within `budget` padded tokens; longest first.

        >>> length_batches([5, 30, 9, 7], 30)
        [[1], [2, 3, 0]]

    A row that is longer than the budget is a batch by itself.
    """
    order = sorted(range(len(lengths)), key=lambda row: -lengths[row])
    batches, start = [], 0
    while start < len(order):
        size = max(1, budget // max(1, lengths[order[start]]))
        batches.append(order[start : start + size])
        start += size
    return batches


def lay_out_trees(
    rows: Sequence[tuple[Sequence[int], Sequence[int]]], prefix: int = 0
) -> tuple[Tensor, Tensor, Tensor]:
    """Lay out B trees of at most T tokens, which all follow a prefix of P tokens.

    `rows` are the tokens of each tree, and for each of them the index of the one before it, -1 for
    none. Texts with a common beginning are such a tree.

    Returns:
        Ids and positions, both (B, T), and the mask (B, 1, T, P + T): True where a token sees a
        key, which is in the prefix, before it in the tree, or the token itself.
    """
    size, width = len(rows), max(len(tokens) for tokens, _ in rows)
    ids, positions = np.zeros((size, width), np.int64), np.full((size, width), prefix)
    seen = np.zeros((size, width, prefix + width), bool)
    seen[:, :, :prefix] = True
    # padding sees itself: softmax over nothing would give NaN
    seen[:, range(width), range(prefix, prefix + width)] = True
    for row, (tokens, parents) in enumerate(rows):
        ids[row, : len(tokens)] = tokens
        for place, parent in enumerate(parents):
            if parent >= 0:
                positions[row, place] = positions[row, parent] + 1
                seen[row, place] |= seen[row, parent]
    return torch.from_numpy(ids), torch.from_numpy(positions), torch.from_numpy(seen)[:, None]
