"""Attention over packed trees on a CPU as plain matrix products.

torch's kernel for CPUs works in small squares of scores, whose products reach a third of the rate
of larger ones. Here the scores of one twig, or of a piece of the trunk, and of the query heads that
share their keys, are one product (`relgen.products`), which still fits into a cache. A twig sees
the whole trunk up to its fork, so that only its own square needs a mask. Scores are not kept for
the backward pass: they are made again from queries and keys.

Leaves out: dropout, other types than float32, and other devices (`takes`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from relgen.products import linear, matmul, prefers_onednn
from relgen.tree import TreeBatch, visible

DEVICES: tuple[str, ...] = ("cpu",)
"""Where it may run; an estimate of memory adds the device of tensors without content."""
_ROWS = 288


class Tile(NamedTuple):
    """Queries that attend in one call: `first` to `last`, offsets in the row, ends exclusive.

    They see the trunk from `trunk_start` to `fork`, and of `own_start` to `own_end` what is not
    `hidden`, (last - first, own_end - own_start), bool.
    """

    first: int
    last: int
    trunk_start: int
    fork: int
    own_start: int
    own_end: int
    hidden: Tensor


def plan_tiles(batch: TreeBatch, *, group: int = 1, rows: int = _ROWS) -> tuple[Tile, ...]:
    """All tokens of a batch as tiles, in the row's order.

    Args:
        batch: the packed trees.
        group: query heads that share their keys.
        rows: of a tile's scores, at most, a group's heads together: few make slow products, many
            leave the cache.
    """
    queries = max(1, rows // group)
    tiles: list[Tile] = []
    for shape in batch.shapes:
        for start in range(shape.start, shape.trunk_end, queries):
            end = min(start + queries, shape.trunk_end)
            tiles.append(_tile(batch, start, end, shape.start, start, (start, end)))
        for twig in shape.twigs:
            for start in range(twig.start, twig.end, queries):
                end = min(start + queries, twig.end)
                own = (twig.start, twig.end)
                tiles.append(_tile(batch, start, end, shape.start, twig.fork, own))
    return tuple(tiles)


def may_take(device: str) -> bool:
    """Whether products of a device are fast enough to be worth a plan."""
    return device in DEVICES and prefers_onednn()


def takes(query: Tensor, value: Tensor, dropout: float) -> bool:
    """Whether `product_attention` computes this, and faster than torch does."""
    # a tensor without content has no autocast
    plain = query.is_meta or not torch.is_autocast_enabled(query.device.type)
    fits = query.dtype == value.dtype == torch.float32 and not dropout
    return plain and fits and may_take(query.device.type)


def product_attention(
    query: Tensor, key: Tensor, value: Tensor, tiles: tuple[Tile, ...], scale: float | None = None
) -> Tensor:
    """Softmax attention of packed trees.

    Args:
        query: (1, H, N, D).
        key: (1, G, N, D), H a multiple of G.
        value: (1, G, N, D).
        tiles: of the batch, all N tokens.
        scale: of the scores; 1/√D when None.

    Returns:
        (1, H, N, D)
    """
    factor = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    output: Tensor = _Attention.apply(query[0], key[0], value[0], tiles, factor)
    return output[None]


class _Attention(torch.autograd.Function):
    """(H, N, D), (G, N, D) and (G, N, D) to (H, N, D); T queries and L keys of a tile at a time."""

    @staticmethod
    def forward(
        ctx: Any, query: Tensor, key: Tensor, value: Tensor, tiles: tuple[Tile, ...], scale: float
    ) -> Tensor:
        # heads lie side by side in a token's row: gathered once, not by every tile
        key, value = key.contiguous(), value.contiguous()
        output = torch.empty_like(query, memory_format=torch.contiguous_format)
        for heads, group in _groups(query, key):
            for tile in tiles:
                shares = _shares(query[heads, tile.first : tile.last], key[group], tile, scale)
                rows = matmul(shares, _seen(value[group], tile))  # (H/G · T, D)
                into = output[heads, tile.first : tile.last]
                into.copy_(rows.view(into.shape))
        ctx.save_for_backward(query, key, value)
        ctx.tiles, ctx.scale = tiles, scale
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None]:
        query, key, value = ctx.saved_tensors
        of_query = torch.empty_like(query, memory_format=torch.contiguous_format)
        of_key, of_value = (torch.zeros_like(part) for part in (key, value))
        for heads, group in _groups(query, key):
            for tile in ctx.tiles:
                own = query[heads, tile.first : tile.last]  # (H/G, T, D)
                shares = _shares(own, key[group], tile, ctx.scale)  # (H/G · T, L)
                rows = gradient[heads, tile.first : tile.last].reshape(-1, own.shape[-1])
                towards = linear(rows, _seen(value[group], tile))
                of_scores = torch._softmax_backward_data(towards, shares, -1, shares.dtype)
                of_rows = matmul(of_scores, _seen(key[group], tile)).mul_(ctx.scale)
                of_query[heads, tile.first : tile.last] = of_rows.view(own.shape)
                # the narrow matrix on the left: it is the one that is copied
                _add(of_value[group], tile, matmul(rows.T, shares).T)
                own_rows = own.reshape(rows.shape) * ctx.scale
                _add(of_key[group], tile, matmul(own_rows.T, of_scores).T)
        return of_query, of_key, of_value, None, None


def _tile(
    batch: TreeBatch, first: int, last: int, trunk_start: int, fork: int, own: tuple[int, int]
) -> Tile:
    device = batch.entries.device
    queries, keys = (torch.arange(*ends, device=device) for ends in ((first, last), own))
    return Tile(first, last, trunk_start, fork, *own, ~visible(batch, queries, keys))


def _groups(query: Tensor, key: Tensor) -> Iterator[tuple[slice, int]]:
    """For each head of keys and values, the query heads that share it."""
    size = len(query) // len(key)
    for group in range(len(key)):
        yield slice(group * size, (group + 1) * size), group


def _seen(states: Tensor, tile: Tile) -> Tensor:
    """(L, D), the keys or values that a tile's queries see, of (N, D)."""
    own = states[tile.own_start : tile.own_end]
    if tile.own_start == tile.fork:
        return states[tile.trunk_start : tile.own_end]
    return torch.cat([states[tile.trunk_start : tile.fork], own])


def _add(states: Tensor, tile: Tile, seen: Tensor) -> None:
    """Adds to the states (N, D) what is due to those that a tile saw, (L, D)."""
    trunk = tile.fork - tile.trunk_start
    states[tile.trunk_start : tile.fork] += seen[:trunk]
    states[tile.own_start : tile.own_end] += seen[trunk:]


def _shares(query: Tensor, key: Tensor, tile: Tile, scale: float) -> Tensor:
    """(H/G · T, L), what each query (H/G, T, D) takes of each key that the tile sees."""
    heads, queries, width = query.shape
    scores = linear(query.reshape(-1, width) * scale, _seen(key, tile))
    own = scores.view(heads, queries, -1)[:, :, tile.fork - tile.trunk_start :]
    own.masked_fill_(tile.hidden, -math.inf)
    return torch.softmax(scores, -1)
