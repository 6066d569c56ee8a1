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

from relgen.dpo import TreeBatch

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

    device = batch.input_ids.device
    # compiled, it never holds the N x N mask
    mask = create_block_mask(
        rule, None, None, length, length, str(device), _compile=device.type == "cuda"
    )
    return FlexPlan(mask, length)


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
    """One kernel a padded length with gradients, and one without.

    Beyond torch's limit it would silently compute all scores: it is set far above the lengths to be
    expected, and made an error.
    """
    config: Any = torch._dynamo.config
    config.recompile_limit = max(config.recompile_limit, 32 * _STEPS)
    config.fail_on_recompile_limit_hit = True
    return torch.compile(flex_attention, dynamic=False, fullgraph=True)
