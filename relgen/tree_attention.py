"""Attention over packed prefix trees, by the tree's shape.

On a CPU whose products oneDNN computes, `relgen.product_attention` takes over. Elsewhere the trunk
attends causally. The twigs attend in small blocks, each to the trunk up to its last fork
and to itself, under a boolean mask of the block's size: no mask or score of size N x N is ever
made. `dense_mask` is the simple N x N form for any model with sdpa attention; tests hold the two
to the same result.

transformers hands extra keyword arguments of a model's forward on to its attention function. The
plan travels as `tree=…`; without one, the function is that of `relgen.grouped_attention`, so that
the same model generates.
A plan of `relgen.flex_attention` takes the whole tree in one call of a GPU's kernel instead.
"""

from __future__ import annotations

import functools
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface, PretrainedConfig
from transformers.masking_utils import sdpa_mask

from relgen.errors import InputError
from relgen.flex_attention import FlexPlan, flex_forward
from relgen.grouped_attention import grouped_attention, grouped_attention_forward
from relgen.product_attention import Tile, plan_tiles, product_attention, takes
from relgen.tree import TreeBatch, TreeShape, visible

TREE_ATTENTION = "relgen_tree"
"""The name to load a model with: `load_language_model(…, attention=TREE_ATTENTION)`."""

TreeAttention = Literal["tree", "dense", "flex"]
_BLOCK = 256


class Block(NamedTuple):
    """Twigs that attend in one call: tokens `start` to `end`, to `trunk_start` to `fork` and them.

    `mask` is (end - start, fork - trunk_start + end - start), bool.
    """

    start: int
    end: int
    trunk_start: int
    fork: int
    mask: Tensor


class TreePlan:
    """The attention calls of a batch, the same for all layers, in the row's order.

    There are two ways, of which a model mostly follows one: each is worked out when asked for.

    Args:
        batch: the packed trees.
        block: twigs of one tree are taken together up to about this many tokens. A larger block
            means fewer calls and fewer copies of the trunk, and more masked scores.
        group: query heads that share their keys.
    """

    def __init__(self, batch: TreeBatch, *, block: int = _BLOCK, group: int = 1) -> None:
        self._batch, self._block, self._group = batch, block, group

    @functools.cached_property
    def trunks(self) -> tuple[tuple[int, int], ...]:
        """Ends of each tree's trunk."""
        return tuple((shape.start, shape.trunk_end) for shape in self._batch.shapes)

    @functools.cached_property
    def blocks(self) -> tuple[tuple[Block, ...], ...]:
        """Of each tree's twigs."""
        return tuple(_blocks(self._batch, shape, self._block) for shape in self._batch.shapes)

    @functools.cached_property
    def tiles(self) -> tuple[Tile, ...]:
        """All tokens, for `relgen.product_attention`."""
        return plan_tiles(self._batch, group=self._group)


def dense_mask(batch: TreeBatch) -> Tensor:
    """(1, 1, N, N), bool: the whole rule as a mask, for any model with sdpa attention."""
    every = torch.arange(batch.tokens, device=batch.entries.device)
    return visible(batch, every, every)[None, None]


def tree_attention_forward(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    tree: TreePlan | FlexPlan | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """The attention function that transformers calls in every layer.

    Args:
        module: the attention layer.
        query: (1, H, N, D).
        key: (1, G, N, D), H a multiple of G.
        value: (1, G, N, D).
        attention_mask: not read when there is a plan.
        dropout: attention dropout.
        scaling: of the scores; 1/√D when None.
        tree: the plan; None means attention as usual.
        kwargs: what else transformers passes.

    Returns:
        (1, N, H, D), and None in place of the weights.

    Raises:
        ValueError: the layer asks for a window, a soft cap, sinks or (FlexAttention) dropout, which
            the plan does not know.
    """
    if tree is None:
        return grouped_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **kwargs
        )
    for name in ("sliding_window", "softcap", "s_aux", "position_bias"):
        if kwargs.get(name) is not None:
            raise ValueError(f"tree attention knows no {name}; this layer asks for it")
    if isinstance(tree, FlexPlan):
        if dropout:
            raise ValueError("FlexAttention has no dropout on the scores; this model asks for it")
        output = flex_forward(query, key, value, tree, scaling)
        return output.transpose(1, 2).contiguous(), None
    if takes(query, value, dropout):
        return product_attention(query, key, value, tree.tiles, scaling), None
    options: dict[str, Any] = {"dropout_p": dropout, "scale": scaling}
    outputs = []
    for (start, end), blocks in zip(tree.trunks, tree.blocks, strict=True):
        q, k, v = (part[:, :, start:end] for part in (query, key, value))
        outputs.append(grouped_attention(q, k, v, is_causal=True, **options))
        for block in blocks:
            q = query[:, :, block.start : block.end]
            k, v = _seen(key, block), _seen(value, block)
            outputs.append(grouped_attention(q, k, v, block.mask, **options))
    return torch.cat(outputs, dim=2).transpose(1, 2).contiguous(), None


def check_attention(config: PretrainedConfig, attention: TreeAttention) -> None:
    """Refuses models whose attention packed trees would silently get wrong.

    Raises:
        InputError: layers with windows, chunks or a recurrence, or an attention function other than
            ours or sdpa (eager adds a boolean mask to the scores as if it were numbers).
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
    allowed = (TREE_ATTENTION, "sdpa") if attention == "dense" else (TREE_ATTENTION,)
    if config._attn_implementation not in allowed:
        raise InputError(
            f"attention '{attention}' needs a model loaded with {' or '.join(allowed)}",
            field="attention",
            value=config._attn_implementation,
            remedy=f"load the model with attention '{TREE_ATTENTION}'",
        )


def _blocks(batch: TreeBatch, shape: TreeShape, limit: int) -> tuple[Block, ...]:
    blocks: list[Block] = []
    start = shape.trunk_end
    for index, twig in enumerate(shape.twigs):
        last = index + 1 == len(shape.twigs)
        if last or shape.twigs[index + 1].end - start > limit:
            device = batch.entries.device
            queries = torch.arange(start, twig.end, device=device)
            keys = torch.cat([torch.arange(shape.start, twig.fork, device=device), queries])
            mask = visible(batch, queries, keys)
            blocks.append(Block(start, twig.end, shape.start, twig.fork, mask))
            start = twig.end
    return tuple(blocks)


def _seen(states: Tensor, block: Block) -> Tensor:
    trunk = states[:, :, block.trunk_start : block.fork]
    return torch.cat([trunk, states[:, :, block.start : block.end]], dim=2)


AttentionInterface.register(TREE_ATTENTION, tree_attention_forward)
# without a mask function of the same name, transformers drops padding masks
AttentionMaskInterface.register(TREE_ATTENTION, sdpa_mask)
