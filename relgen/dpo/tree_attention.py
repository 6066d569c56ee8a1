"""Attention over packed prefix trees, computed by the tree's shape.

The trunk attends causally. The branches attend in small blocks, each to the trunk up to its last
fork and to itself, under a boolean mask of the block's size: masks and scores of size N x N never
exist.

A model loaded with `relgen.kernels.ATTENTION` and called with `attend=plan.attend` calls it in
every layer. Called without, it attends as usual, so that the same model can generate.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import NamedTuple

import torch
from torch import Tensor
from transformers import PretrainedConfig

from relgen.common import InputError
from relgen.dpo.prefix_tree import Branch, Span, TreeBatch, visible
from relgen.kernels import ATTENTION, ScoreOptions, grouped_attention

TrunkStates = dict[int, tuple[Tensor, Tensor]]
"""By layer, keys and values of the trunks, (1, G, M, D), for branches that are computed later."""
_BLOCK = 256
"""Tokens of a block, about: larger ones mean fewer copies of the trunk, but more masked scores."""


class Block(NamedTuple):
    """Branches that attend in one call: to the trunk from `trunk_start` to `fork`, and themselves.

    `start` and `end` are offsets in the span, `trunk_start` and `fork` in the row. `mask` and
    `distance` (how many positions a key is before a query; `reach` is the largest) are
    (end - start, fork - trunk_start + end - start), bool and integers.
    """

    start: int
    end: int
    trunk_start: int
    fork: int
    mask: Tensor
    distance: Tensor
    reach: int


class TreePlan:
    """The attention calls of a batch, the same for all layers.

    Args:
        batch: the packed trees.
        span: the tokens that attend; None for all.
        states: for the span of the trunks, a dict to be filled with their keys and values; for a
            span of branches, that dict.
    """

    def __init__(
        self,
        batch: TreeBatch,
        *,
        span: Span | None = None,
        states: TrunkStates | None = None,
    ) -> None:
        self.span = span or batch.whole
        self.states = states
        self.trunks = self.span.trunks(batch)
        self.blocks = tuple(
            block
            for shape, branches in self.span.branches(batch)
            for block in _blocks(batch, self.span, shape.start, branches)
        )

    def attend(
        self, layer: int, query: Tensor, key: Tensor, value: Tensor, scores: ScoreOptions
    ) -> Tensor:
        """Return the attention of one layer, (1, N, H, D), for the N tokens of the span.

        `query` is (1, H, N, D), `key` and `value` are (1, G, N, D), H a multiple of G.
        """
        trunk = None
        if self.states is not None and self.span.start:
            trunk = self.states[layer]
        elif self.states is not None:
            # attention saves contiguous ones as well: they share memory
            key, value = key.contiguous(), value.contiguous()
            # gradient checkpointing runs the layer again: keep those of the first run
            self.states.setdefault(layer, (key, value))
        outputs = []
        for start, end in self.trunks:
            q, k, v = (states[:, :, start:end] for states in (query, key, value))
            seen = _window(end - start, scores.window, query.device)
            outputs.append(grouped_attention(q, k, v, seen, scores))
        trunk_key, trunk_value = trunk or (key, value)
        for block in self.blocks:
            q = query[:, :, block.start : block.end]
            k, v = _seen(key, trunk_key, block), _seen(value, trunk_value, block)
            seen = block.mask
            if scores.window is not None and scores.window <= block.reach:
                seen = seen & (block.distance < scores.window)
            outputs.append(grouped_attention(q, k, v, seen, scores))
        return torch.cat(outputs, dim=2).transpose(1, 2).contiguous()


def check_attention(config: PretrainedConfig) -> None:
    """Raise InputError for a model that was loaded with another attention function."""
    if config._attn_implementation != ATTENTION:
        raise InputError(
            "packed trees need relgen's attention function",
            field="attention",
            value=config._attn_implementation,
            remedy=f"load the model with attention '{ATTENTION}'",
        )


def _blocks(
    batch: TreeBatch, span: Span, trunk_start: int, branches: Sequence[Branch]
) -> Iterator[Block]:
    """Yield the blocks of one tree's branches."""
    device = batch.entries.device
    start = branches[0].start
    for branch, after in zip_longest(branches, branches[1:]):
        if after is None or after.end - start > _BLOCK:
            queries = torch.arange(start, branch.end, device=device)
            keys = torch.cat([torch.arange(trunk_start, branch.fork, device=device), queries])
            mask = visible(batch, queries, keys)
            positions = batch.position_ids[0]
            distance = positions[queries][:, None] - positions[keys]
            places = (start - span.start, branch.end - span.start)
            reach = int(distance.max())
            yield Block(*places, trunk_start, branch.fork, mask, distance, reach)
            start = branch.end


def _window(tokens: int, window: int | None, device: torch.device) -> Tensor | None:
    """Return the causal mask (tokens, tokens) of a window, None if it hides nothing."""
    if window is None or window >= tokens:
        return None
    return torch.ones(tokens, tokens, dtype=torch.bool, device=device).tril().triu(1 - window)


def _seen(states: Tensor, trunk: Tensor, block: Block) -> Tensor:
    """Return the keys or values that a block sees, (1, G, L, D)."""
    seen = trunk[:, :, block.trunk_start : block.fork]
    return torch.cat([seen, states[:, :, block.start : block.end]], dim=2)
