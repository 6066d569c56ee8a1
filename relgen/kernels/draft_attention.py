"""Attention of several drafts to one copy of the prompt that they share.

Decoding is bound by memory bandwidth. With one copy of the prompt per draft, attention reads them
all. Here the drafts of a chain attend to one copy in a single product, and separately to their own
tokens. Both parts are combined as in flash decoding, by their maximum and sum (Milakov and
Gimelshein, arXiv 1805.02867; Juravsky et al., arXiv 2402.05099).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

_LOG2_E = math.log2(math.e)


class SharedPrompts:
    """C prompts and the B drafts that share them, each by its prompt's row; every row has a draft.

    `lengths` are those of the prompts, in tokens.
    """

    def __init__(self, chains: Sequence[int], lengths: Sequence[int], dtype: torch.dtype) -> None:
        members: list[list[int]] = [[] for _ in lengths]
        for place, chain in enumerate(chains):
            members[chain].append(place)
        most = max(map(len, members))
        # short rows repeat a draft; the second result is ignored
        self._grid = torch.tensor([(own * most)[:most] for own in members])  # (C, M)
        self._flat = torch.empty(len(chains), dtype=torch.long)  # (B,), places in the grid
        for chain, own in enumerate(members):
            self._flat[own] = chain * most + torch.arange(len(own))
        slots = torch.arange(max(lengths))
        hidden = slots >= torch.tensor(lengths)[:, None, None]
        self._hidden = torch.zeros(hidden.shape, dtype=dtype).masked_fill_(hidden, -math.inf)

    def attend(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        prompts: Sequence[Tensor],
        scale: float | None,
    ) -> Tensor:
        """Return the attention of each draft to its prompt and to its own tokens, (B, 1, H, D).

        `query` is (B, H, 1, D), H a multiple of G; `key` and `value` of the drafts' own tokens are
        (B, G, T, D). `prompts` are the keys and values of the prompts, (≥ C, G, ≥ L, D). The scale
        of the scores is 1/√D when None.
        """
        drafts, heads, _, width = query.shape
        groups = key.shape[1]
        rows = query.view(drafts, groups, -1, width)  # (B, G, H/G, D)
        rows = rows * ((1 / math.sqrt(width) if scale is None else scale) * _LOG2_E)
        # drafts grouped by chain: (C · G, M · H/G, D)
        chains, most = self._grid.shape
        together = rows[self._grid].transpose(1, 2).reshape(chains * groups, -1, width)
        length = self._hidden.shape[-1]
        keys, values = (states[:chains, :, :length].flatten(0, 1) for states in prompts)
        hidden = self._hidden.repeat_interleave(groups, 0)
        parts = _attend(torch.baddbmm(hidden, together, keys.mT), values)
        read = (
            part.view(chains, groups, most, heads // groups, -1).transpose(1, 2).flatten(0, 1)
            for part in parts
        )
        output, highest, total = (part[self._flat] for part in read)  # (B, G, H/G, …)
        parts = _attend(torch.bmm(rows.flatten(0, 1), key.flatten(0, 1).mT), value.flatten(0, 1))
        own = (part.view(drafts, groups, heads // groups, -1) for part in parts)
        own_output, own_highest, own_total = own
        top = torch.maximum(highest, own_highest)
        less, own_less = (highest - top).exp2_(), (own_highest - top).exp2_()
        output = output.mul_(less).add_(own_output.mul_(own_less))
        output = output.div_(total.mul_(less).add_(own_total.mul_(own_less)))
        return output.view(drafts, 1, heads, width)


def _attend(scores: Tensor, values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return one part of a softmax attention, to base 2; the scores (N, R, L) are overwritten.

    It is the sum (N, R, D) of the values (N, L, D), weighted by 2^(score - highest), the highest
    score and the sum of the weights, both (N, R, 1).
    """
    highest = scores.amax(-1, keepdim=True)
    weights = scores.sub_(highest).exp2_()
    return torch.bmm(weights, values), highest, weights.sum(-1, keepdim=True)
