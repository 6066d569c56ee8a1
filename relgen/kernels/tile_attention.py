"""Attention over packed prefix trees on a CPU as plain matrix products.

torch's kernel for CPUs works on small squares of scores, at a third of the rate of larger products.
Here the scores of one branch, or of a piece of the trunk, are one product by oneDNN for all query
heads that share their keys, and still fit into a cache. A branch sees the whole trunk up to its
fork, so that only its own square needs a mask. The backward pass recomputes the scores.

For float32 on a CPU, without dropout (`can_tile`). `relgen.dpo` decides which tiles a tree has.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from relgen.kernels.onednn_linear import has_autocast, linear, matmul, prefers_onednn
from relgen.kernels.switch import in_use


class Tile(NamedTuple):
    """Queries `first` to `last` (offsets in the span, ends exclusive), which attend in one call.

    They see the trunk from `trunk_start` to `fork` (offsets in the row), and of the span
    `own_start` to `own_end`, with `mask` added to the scores: (last - first, own_end - own_start),
    0 or -∞.
    """

    first: int
    last: int
    trunk_start: int
    fork: int
    own_start: int
    own_end: int
    mask: Tensor


def can_tile(query: Tensor, value: Tensor) -> bool:
    """Return whether `attend_tiles` supports these tensors and is faster than torch."""
    fits = query.dtype == value.dtype == torch.float32 and query.device.type == "cpu"
    return fits and in_use("tiles") and prefers_onednn() and not has_autocast(query)


def attend_tiles(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    tiles: tuple[Tile, ...],
    scale: float | None = None,
    trunk: tuple[Tensor, Tensor] | None = None,
) -> Tensor:
    """Return the softmax attention of a span of N tokens of packed trees, (1, N, H, D).

    Args:
        query: (1, H, N, D).
        key: (1, G, N, D), H a multiple of G.
        value: (1, G, N, D).
        tiles: of the span.
        scale: of the scores; 1/√D when None.
        trunk: keys and values of the trunks, (1, G, M, D), if the span has branches only.
    """
    factor = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    trunks = (None, None) if trunk is None else (trunk[0][0], trunk[1][0])
    output: Tensor = _Attention.apply(query[0], key[0], value[0], *trunks, tiles, factor)
    return output[None]


class _Attention(torch.autograd.Function):
    """Maps (H, N, D), (G, N, D) and (G, N, D) to (N, H, D), a tile (T queries, L keys) at a time.

    Inside, a group's heads are adjacent, (G, N, H/G, D), so that a tile's rows need no copy. The
    queries are scaled. Trunks outside the span are (G, M, D).
    """

    @staticmethod
    def forward(
        ctx: Any,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        trunk_key: Tensor | None,
        trunk_value: Tensor | None,
        tiles: tuple[Tile, ...],
        scale: float,
    ) -> Tensor:
        heads, tokens, width = query.shape
        key, value = key.contiguous(), value.contiguous()
        trunks = [None if part is None else part.contiguous() for part in (trunk_key, trunk_value)]
        rows = query.new_empty(len(key), tokens, heads // len(key), width)
        torch.mul(query.view(len(key), -1, tokens, width).transpose(1, 2), scale, out=rows)
        output = query.new_empty(tokens, len(key), heads // len(key), width)
        for group in range(len(key)):
            keys, values = _of_group(group, key, trunks[0]), _of_group(group, value, trunks[1])
            for tile in tiles:
                own = rows[group, tile.first : tile.last]
                shares = _shares(own, _seen(*keys, tile), tile)
                result = matmul(shares, _seen(*values, tile))  # (T · H/G, D)
                output[tile.first : tile.last, group] = result.view(own.shape)
        ctx.save_for_backward(rows, key, value, *trunks)
        ctx.tiles, ctx.scale = tiles, scale
        return output.view(tokens, heads, width)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        rows, key, value, trunk_key, trunk_value = ctx.saved_tensors
        groups, tokens, shared, width = rows.shape
        gradient = gradient.reshape(tokens, groups, shared, width)
        of_query = torch.empty_like(rows)
        # of keys, values and the trunks' keys and values: (G, D, N) and (G, D, M)
        sums = [_zeros(states) for states in (key, value, trunk_key, trunk_value)]
        of_key, of_value, of_trunk_key, of_trunk_value = sums
        for group in range(groups):
            keys, values = _of_group(group, key, trunk_key), _of_group(group, value, trunk_value)
            of_keys = _of_group(group, of_key, of_trunk_key)
            of_values = _of_group(group, of_value, of_trunk_value)
            for tile in ctx.tiles:
                seen = _seen(*keys, tile)
                own = rows[group, tile.first : tile.last]
                shares = _shares(own, seen, tile)  # (T · H/G, L)
                above = gradient[tile.first : tile.last, group].reshape(-1, width)
                of_scores = linear(above, _seen(*values, tile))
                torch._softmax_backward_data(
                    of_scores, shares, -1, shares.dtype, grad_input=of_scores
                )
                result = matmul(of_scores, seen)
                of_query[group, tile.first : tile.last] = result.view(own.shape)
                # the narrow matrix on the left, since `matmul` copies that one
                _add(*of_values, tile, matmul(above.T, shares))
                _add(*of_keys, tile, matmul(own.view(-1, width).T, of_scores))
        of_query = of_query.mul_(ctx.scale).transpose(1, 2).reshape(-1, tokens, width)
        of_states = [None if part is None else part.transpose(1, 2) for part in sums]
        return of_query, *of_states, None, None


def _zeros(states: Tensor | None) -> Tensor | None:
    """Return zeros, (G, D, N), for the gradients of (G, N, D)."""
    return None if states is None else torch.zeros_like(states.transpose(1, 2).contiguous())


def _of_group(group: int, states: Any, trunk: Any) -> tuple[Tensor, Tensor | None]:
    """Return a group's states of the span, and of trunks outside it."""
    return states[group], None if trunk is None else trunk[group]


def _seen(states: Tensor, trunk: Tensor | None, tile: Tile) -> Tensor:
    """Return the keys or values that a tile's queries see, (L, D)."""
    if trunk is None and tile.own_start == tile.fork:
        return states[tile.trunk_start : tile.own_end]
    shown = (states if trunk is None else trunk)[tile.trunk_start : tile.fork]
    return torch.cat([shown, states[tile.own_start : tile.own_end]])


def _add(states: Tensor, trunk: Tensor | None, tile: Tile, seen: Tensor) -> None:
    """Add the gradients of a tile's keys or values, (D, L), to (D, N) and (D, M)."""
    width = tile.fork - tile.trunk_start
    shown = states if trunk is None else trunk
    shown[:, tile.trunk_start : tile.fork] += seen[:, :width]
    states[:, tile.own_start : tile.own_end] += seen[:, width:]


def _shares(query: Tensor, keys: Tensor, tile: Tile) -> Tensor:
    """Return the attention weights of a tile's queries (T, H/G, D), (T · H/G, L)."""
    queries, heads, width = query.shape
    scores = linear(query.view(-1, width), keys)
    own = scores.view(queries, heads, -1)[:, :, tile.fork - tile.trunk_start :]
    own += tile.mask[:, None]
    return torch.softmax(scores, -1, out=scores)
