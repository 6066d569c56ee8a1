"""FlexAttention over packed prefix trees, for GPUs: the tree's rule as a block mask.

The row is padded to a length of few values, so that the kernel is compiled for each of them once
and not for every batch. torch has no backward pass of it on a CPU, where only the forward pass can
be checked: the rest has not been run by the project.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask, create_block_mask, flex_attention

from relgen.tree import TreeBatch

_STEPS = 8
_SHORTEST = 256


class FlexPlan(NamedTuple):
    """The attention of a batch: the rule over `length` tokens, of which the first are the row's."""

    mask: BlockMask
    length: int


def plan_flex(batch: TreeBatch) -> FlexPlan:
    """Works out the block mask once for all layers.

    Args:
        batch: the packed trees, on the device that they are computed on.
    """
    length = padded_length(batch.tokens)
    added = length - batch.tokens
    # padding is a node of its own after all others: it sees itself, and nothing sees it
    last = int(batch.exits.max())
    entries = F.pad(batch.entries, (0, added), value=last)
    exits = F.pad(batch.exits, (0, added), value=last + 1)

    def rule(_batch: Tensor, _head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        entered = entries[query]
        inside = (entries[key] <= entered) & (entered < exits[key])
        return inside & (key <= query)

    device = str(batch.input_ids.device)
    return FlexPlan(create_block_mask(rule, None, None, length, length, device), length)


def padded_length(tokens: int) -> int:
    """The next of few lengths: eight between a power of two and the next one.

    At most an eighth is padding, and doubling the longest batch adds eight compilations.
    """
    length = _SHORTEST
    while length < tokens:
        length *= 2
    step = max(length // 2 // _STEPS, 128)
    return max(_SHORTEST, -(-tokens // step) * step)


def flex_forward(
    query: Tensor, key: Tensor, value: Tensor, plan: FlexPlan, scaling: float | None
) -> Tensor:
    """Attention of one layer.

    Args:
        query: (1, H, N, D).
        key: (1, G, N, D), H a multiple of G.
        value: (1, G, N, D).
        plan: of the batch.
        scaling: of the scores; 1/√D when None.

    Returns:
        (1, H, N, D)
    """
    tokens = query.shape[2]
    added = plan.length - tokens
    padded = [F.pad(part, (0, 0, 0, added)) for part in (query, key, value)]
    attend: Any = _compiled() if query.is_cuda else flex_attention
    output: Tensor = attend(
        *padded,
        block_mask=plan.mask,
        scale=scaling,
        enable_gqa=query.shape[1] != key.shape[1],
    )
    return output[:, :, :tokens]


@functools.cache
def _compiled() -> Callable[..., Any]:
    """One kernel a padded length; as many are kept as lengths are to be expected."""
    torch._dynamo.config.recompile_limit = max(torch._dynamo.config.recompile_limit, 8 * _STEPS)
    return torch.compile(flex_attention, dynamic=False)
