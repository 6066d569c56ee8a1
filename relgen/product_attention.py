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
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from relgen.products import has_autocast, linear, matmul, prefers_onednn
from relgen.tree import TreeBatch, visible

DEVICES: tuple[str, ...] = ("cpu",)
"""Where it may run; an estimate of memory adds the device of tensors without content."""
_ROWS = 512


class Tile(NamedTuple):
    """Queries that attend in one call: `first` to `last`, offsets in the row, ends exclusive.

    They see the trunk from `trunk_start` to `fork`, and `own_start` to `own_end` with `mask` added
    to the scores, (last - first, own_end - own_start): 0, or -∞ for what is hidden.
    """

    first: int
    last: int
    trunk_start: int
    fork: int
    own_start: int
    own_end: int
    mask: Tensor


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
    fits = query.dtype == value.dtype == torch.float32 and not dropout
    return fits and not has_autocast(query) and may_take(query.device.type)


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
        (1, N, H, D)
    """
    factor = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    output: Tensor = _Attention.apply(query[0], key[0], value[0], tiles, factor)
    return output[None]


class _Attention(torch.autograd.Function):
    """(H, N, D), (G, N, D) and (G, N, D) to (N, H, D); T queries and L keys of a tile at a time.

    Inside, a group's heads lie beside each other, (G, N, H/G, D), so that a tile's rows need no
    copy. The scale is in the queries.
    """

    @staticmethod
    def forward(
        ctx: Any, query: Tensor, key: Tensor, value: Tensor, tiles: tuple[Tile, ...], scale: float
    ) -> Tensor:
        heads, tokens, width = query.shape
        key, value = key.contiguous(), value.contiguous()
        rows = query.new_empty(len(key), tokens, heads // len(key), width)
        torch.mul(query.view(len(key), -1, tokens, width).transpose(1, 2), scale, out=rows)
        output = query.new_empty(tokens, len(key), heads // len(key), width)
        for group in range(len(key)):
            for tile in tiles:
                own = rows[group, tile.first : tile.last]
                shares = _shares(own, _seen(key[group], tile), tile)
                result = matmul(shares, _seen(value[group], tile))  # (T · H/G, D)
                output[tile.first : tile.last, group] = result.view(own.shape)
        ctx.save_for_backward(rows, key, value)
        ctx.tiles, ctx.scale = tiles, scale
        return output.view(tokens, heads, width)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None]:
        rows, key, value = ctx.saved_tensors
        groups, tokens, shared, width = rows.shape
        gradient = gradient.reshape(tokens, groups, shared, width)
        of_query = torch.empty_like(rows)
        of_key, of_value = (key.new_zeros(groups, width, tokens) for _ in range(2))
        for group in range(groups):
            for tile in ctx.tiles:
                keys = _seen(key[group], tile)
                own = rows[group, tile.first : tile.last]
                shares = _shares(own, keys, tile)  # (T · H/G, L)
                above = gradient[tile.first : tile.last, group].reshape(-1, width)
                of_scores = linear(above, _seen(value[group], tile))
                torch._softmax_backward_data(
                    of_scores, shares, -1, shares.dtype, grad_input=of_scores
                )
                result = matmul(of_scores, keys)
                of_query[group, tile.first : tile.last] = result.view(own.shape)
                # the narrow matrix on the left: it is the one that is copied
                _add(of_value[group], tile, matmul(above.T, shares))
                _add(of_key[group], tile, matmul(own.view(-1, width).T, of_scores))
        of_query = of_query.mul_(ctx.scale).transpose(1, 2).reshape(-1, tokens, width)
        return of_query, of_key.transpose(1, 2), of_value.transpose(1, 2), None, None


def _tile(
    batch: TreeBatch, first: int, last: int, trunk_start: int, fork: int, own: tuple[int, int]
) -> Tile:
    device = batch.entries.device
    queries, keys = (torch.arange(*ends, device=device) for ends in ((first, last), own))
    seen = visible(batch, queries, keys)
    mask = torch.zeros(seen.shape, device=device).masked_fill_(~seen, -math.inf)
    return Tile(first, last, trunk_start, fork, *own, mask)


def _seen(states: Tensor, tile: Tile) -> Tensor:
    """(L, D), the keys or values that a tile's queries see, of (N, D)."""
    own = states[tile.own_start : tile.own_end]
    if tile.own_start == tile.fork:
        return states[tile.trunk_start : tile.own_end]
    return torch.cat([states[tile.trunk_start : tile.fork], own])


def _add(states: Tensor, tile: Tile, seen: Tensor) -> None:
    """Adds to the states (D, N) what is due to those that a tile saw, (D, L)."""
    trunk = tile.fork - tile.trunk_start
    states[:, tile.trunk_start : tile.fork] += seen[:, :trunk]
    states[:, tile.own_start : tile.own_end] += seen[:, trunk:]


def _shares(query: Tensor, keys: Tensor, tile: Tile) -> Tensor:
    """(T · H/G, L), what each query (T, H/G, D) takes of each key that its tile sees."""
    queries, heads, width = query.shape
    scores = linear(query.view(-1, width), keys)
    own = scores.view(queries, heads, -1)[:, :, tile.fork - tile.trunk_start :]
    own += tile.mask[:, None]
    return torch.softmax(scores, -1, out=scores)
