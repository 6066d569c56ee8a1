"""Attention over packed prefix trees, by the tree's shape.

The trunk attends causally. The branches attend in small blocks, each to the trunk up to its last
fork and to itself, under a boolean mask of the block's size: no mask or score of size N x N is ever
made. Where `relgen.kernels` has a faster form for a CPU, it computes the same from tiles.

A model that is loaded with `relgen.kernels.ATTENTION` calls `TreePlan.attend` in every layer when
it gets it as `attend=…`. Without, its attention is the usual one, so that the same model generates.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import NamedTuple

import torch
from torch import Tensor
from transformers import PretrainedConfig

from relgen.common import InputError
from relgen.dpo.prefix_tree import Branch, Span, TreeBatch, visible
from relgen.kernels import ATTENTION, Tile, attend_tiles, can_tile, grouped_attention

TrunkStates = dict[int, tuple[Tensor, Tensor]]
"""Keys and values of the trunks in each layer, (1, G, M, D), for branches that are read later."""
_BLOCK = 256
_ROWS = 512


class Block(NamedTuple):
    """Branches that attend in one call: to the trunk from `trunk_start` to `fork`, and themselves.

    `start` and `end` are offsets in the span, those of the trunk in the row. `mask` is
    (end - start, fork - trunk_start + end - start), bool.
    """

    start: int
    end: int
    trunk_start: int
    fork: int
    mask: Tensor


class TreePlan:
    """The attention calls of a batch, the same for all layers, in the row's order.

    Args:
        batch: the packed trees.
        span: the tokens that attend; None for all.
        states: for the span of the trunks, where to keep their keys and values; for a span of
            branches, where these are.
        block: branches of one tree are taken together up to about this many tokens. A larger block
            means fewer calls and fewer copies of the trunk, and more masked scores.
    """

    def __init__(
        self,
        batch: TreeBatch,
        *,
        span: Span | None = None,
        states: TrunkStates | None = None,
        block: int = _BLOCK,
    ) -> None:
        self.span = span or batch.whole
        self.states = states
        self.trunks = self.span.trunks(batch)
        self._batch, self._block = batch, block
        # a model mostly follows one of the two
        self._blocks: tuple[Block, ...] | None = None
        self._tiles: tuple[Tile, ...] | None = None

    def attend(
        self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float | None
    ) -> Tensor:
        """Compute the attention of one layer.

        Args:
            layer: its number.
            query: (1, H, N, D), of the span's tokens.
            key: (1, G, N, D), H a multiple of G.
            value: (1, G, N, D).
            scale: of the scores; 1/√D when None.

        Returns:
            (1, N, H, D)
        """
        trunk = None
        if self.states is not None and self.span.start:
            trunk = self.states[layer]
        elif self.states is not None:
            # contiguous, as they are read later; attention keeps them so as well
            key, value = key.contiguous(), value.contiguous()
            # the first ones, where a checkpoint has the layer run again
            self.states.setdefault(layer, (key, value))
        if can_tile(query, value):
            tiles = self.tiles(query.shape[1] // key.shape[1])
            return attend_tiles(query, key, value, tiles, scale, trunk)
        outputs = []
        for start, end in self.trunks:
            q, k, v = (states[:, :, start:end] for states in (query, key, value))
            outputs.append(grouped_attention(q, k, v, is_causal=True, scale=scale))
        trunk_key, trunk_value = trunk or (key, value)
        for block in self.blocks():
            q = query[:, :, block.start : block.end]
            k, v = _seen(key, trunk_key, block), _seen(value, trunk_value, block)
            outputs.append(grouped_attention(q, k, v, block.mask, scale=scale))
        return torch.cat(outputs, dim=2).transpose(1, 2).contiguous()

    def blocks(self) -> tuple[Block, ...]:
        """Return the blocks of the span's branches."""
        if self._blocks is None:
            self._blocks = tuple(
                block
                for shape, branches in self.span.branches(self._batch)
                for block in _blocks(self._batch, self.span, shape.start, branches, self._block)
            )
        return self._blocks

    def tiles(self, group: int) -> tuple[Tile, ...]:
        """Return all tokens of the span as tiles, for `group` query heads that share their keys."""
        if self._tiles is None:
            self._tiles = plan_tiles(self._batch, self.span, group=group)
        return self._tiles


def plan_tiles(
    batch: TreeBatch, span: Span, *, group: int = 1, rows: int = _ROWS
) -> tuple[Tile, ...]:
    """Return the tokens of a span as tiles, in the row's order.

    Args:
        batch: the packed trees.
        span: the tokens that attend.
        group: query heads that share their keys.
        rows: of a tile's scores, at most, a group's heads together: few make slow products, many
            leave the cache.
    """
    queries = max(1, rows // group)
    tiles: list[Tile] = []
    for start, end in span.trunks(batch):
        for first in range(start, end, queries):
            last = min(first + queries, end)
            tiles.append(_tile(batch, span, (first, last), (start, first), (first, last)))
    for shape, branches in span.branches(batch):
        for branch in branches:
            seen, own = (shape.start, branch.fork), (branch.start, branch.end)
            for first in range(*own, queries):
                last = min(first + queries, branch.end)
                tiles.append(_tile(batch, span, (first, last), seen, own))
    return tuple(tiles)


def check_attention(config: PretrainedConfig) -> None:
    """Refuse models whose attention packed trees would silently get wrong.

    Raises:
        InputError: layers with windows, chunks or a recurrence, or another attention function.
    """
    layers = set(getattr(config, "layer_types", None) or ["full_attention"])
    window = getattr(config, "sliding_window", None)
    # Qwen's older configurations name a window that `use_sliding_window` switches off
    windowed = window is not None and getattr(config, "use_sliding_window", True)
    if layers != {"full_attention"} or windowed:
        raise InputError(
            "packed trees need full attention in every layer; this model has other layers",
            field="model",
            value={"layer_types": sorted(layers), "sliding_window": window},
            remedy="take a model without sliding windows",
        )
    if config._attn_implementation != ATTENTION:
        raise InputError(
            "packed trees need relgen's attention function",
            field="attention",
            value=config._attn_implementation,
            remedy=f"load the model with attention '{ATTENTION}'",
        )


def _tile(
    batch: TreeBatch,
    span: Span,
    queries: tuple[int, int],
    trunk: tuple[int, int],
    own: tuple[int, int],
) -> Tile:
    """Return a tile; offsets in the row: of its queries, of the trunk, and of what else it sees."""
    device = batch.entries.device
    seen = visible(batch, torch.arange(*queries, device=device), torch.arange(*own, device=device))
    mask = torch.zeros(seen.shape, device=device).masked_fill_(~seen, -math.inf)
    first, last, start, end = (place - span.start for place in (*queries, *own))
    return Tile(first, last, *trunk, start, end, mask)


def _blocks(
    batch: TreeBatch, span: Span, trunk_start: int, branches: Sequence[Branch], limit: int
) -> Iterator[Block]:
    """Yield the blocks of one tree's branches, which adjoin."""
    device = batch.entries.device
    start = branches[0].start
    for branch, after in zip_longest(branches, branches[1:]):
        if after is None or after.end - start > limit:
            queries = torch.arange(start, branch.end, device=device)
            keys = torch.cat([torch.arange(trunk_start, branch.fork, device=device), queries])
            mask = visible(batch, queries, keys)
            places = (start - span.start, branch.end - span.start)
            yield Block(*places, trunk_start, branch.fork, mask)
            start = branch.end


def _seen(states: Tensor, trunk: Tensor, block: Block) -> Tensor:
    """Return the keys or values that a block sees, (1, G, L, D)."""
    seen = trunk[:, :, block.trunk_start : block.fork]
    return torch.cat([seen, states[:, :, block.start : block.end]], dim=2)
