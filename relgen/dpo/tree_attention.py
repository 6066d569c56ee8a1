"""Attention over packed prefix trees, by the tree's shape.

On a CPU whose products oneDNN computes, `relgen.dpo.cpu_attention` takes over. Elsewhere the trunk
attends causally. The twigs attend in small blocks, each to the trunk up to its last fork
and to itself, under a boolean mask of the block's size: no mask or score of size N x N is ever
made. `dense_mask` is the simple N x N form for any model with sdpa attention; tests hold the two
to the same result.

transformers hands extra keyword arguments of a model's forward on to its attention function. The
plan travels as `tree=…`; without one, the function is that of `relgen.kernels.gqa_attention`, so
that the same model generates.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface, PretrainedConfig
from transformers.masking_utils import sdpa_mask

from relgen.common import InputError
from relgen.dpo.cpu_attention import Tile, plan_tiles, product_attention, takes
from relgen.dpo.prefix_tree import Span, TreeBatch, Twig, visible
from relgen.kernels.gqa_attention import grouped_attention, grouped_attention_forward

TREE_ATTENTION = "relgen_tree"
"""The name to load a model with: `load_language_model(…, attention=TREE_ATTENTION)`."""

TreeAttention = Literal["tree", "dense"]
_BLOCK = 256


class Block(NamedTuple):
    """Twigs that attend in one call: tokens `start` to `end`, to `trunk_start` to `fork` and them.

    `start` and `end` are offsets in the span, those of the trunk in the row. `mask` is
    (end - start, fork - trunk_start + end - start), bool.
    """

    start: int
    end: int
    trunk_start: int
    fork: int
    mask: Tensor


class TrunkStates:
    """Keys and values of the trunks, as each layer made them, for twigs that are read later.

    Args:
        by_layer: attention layer to its states, (1, G, Nt, D) each; none yet when None.
    """

    def __init__(self, by_layer: dict[nn.Module, tuple[Tensor, Tensor]] | None = None) -> None:
        self.by_layer = {} if by_layer is None else by_layer

    def keep(self, layer: nn.Module, key: Tensor, value: Tensor) -> None:
        """Takes a layer's states; the first ones, where a checkpoint has the layer run again."""
        self.by_layer.setdefault(layer, (key, value))


class TreePlan:
    """The attention calls of a batch, the same for all layers, in the row's order.

    There are two ways, of which a model mostly follows one: each is worked out when asked for.

    Args:
        batch: the packed trees.
        span: which of its tokens attend; None for all.
        states: where to keep the trunks' keys and values; for a span of twigs, where they are.
        block: twigs of one tree are taken together up to about this many tokens. A larger block
            means fewer calls and fewer copies of the trunk, and more masked scores.
        group: query heads that share their keys.
    """

    def __init__(
        self,
        batch: TreeBatch,
        *,
        span: Span | None = None,
        states: TrunkStates | None = None,
        block: int = _BLOCK,
        group: int = 1,
    ) -> None:
        self.span = span or batch.whole
        self.states = states
        self._batch, self._block, self._group = batch, block, group

    @functools.cached_property
    def trunks(self) -> tuple[tuple[int, int], ...]:
        """Ends of each tree's trunk."""
        return tuple(self.span.trunks(self._batch))

    @functools.cached_property
    def blocks(self) -> tuple[Block, ...]:
        """Of the twigs."""
        return tuple(
            block
            for shape, twigs in self.span.twigs(self._batch)
            for block in _blocks(self._batch, self.span, shape.start, twigs, self._block)
        )

    @functools.cached_property
    def tiles(self) -> tuple[Tile, ...]:
        """All tokens, for `relgen.dpo.cpu_attention`."""
        return plan_tiles(self._batch, span=self.span, group=self._group)

    def trunk(self, layer: nn.Module) -> tuple[Tensor, Tensor] | None:
        """A layer's keys and values of the trunks, if they are not in the span."""
        if self.states is None or not self.span.start:
            return None
        return self.states.by_layer[layer]


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
    tree: TreePlan | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """The attention function that transformers calls in every layer.

    Args:
        module: the attention layer.
        query: (1, H, N, D), of the plan's span.
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
        ValueError: the layer asks for a window, a soft cap or sinks, which the plan does not
            know.
    """
    if tree is None:
        return grouped_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **kwargs
        )
    for name in ("sliding_window", "softcap", "s_aux", "position_bias"):
        if kwargs.get(name) is not None:
            raise ValueError(f"tree attention knows no {name}; this layer asks for it")
    trunk = tree.trunk(module)
    if tree.states is not None and trunk is None:
        # as they are read later; attention keeps them so as well
        key, value = key.contiguous(), value.contiguous()
        tree.states.keep(module, key, value)
    if takes(query, value, dropout):
        return product_attention(query, key, value, tree.tiles, scaling, trunk), None
    options: dict[str, Any] = {"dropout_p": dropout, "scale": scaling}
    outputs = []
    trunk_key, trunk_value = trunk or (key, value)
    for start, end in tree.trunks:
        q, k, v = (part[:, :, start:end] for part in (query, key, value))
        outputs.append(grouped_attention(q, k, v, is_causal=True, **options))
    for block in tree.blocks:
        q = query[:, :, block.start : block.end]
        k, v = _seen(key, trunk_key, block), _seen(value, trunk_value, block)
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


def _blocks(
    batch: TreeBatch, span: Span, trunk_start: int, twigs: Sequence[Twig], limit: int
) -> Iterator[Block]:
    """Of one tree's twigs, which adjoin."""
    device = batch.entries.device
    start = twigs[0].start
    for twig, after in zip_longest(twigs, twigs[1:]):
        if after is None or after.end - start > limit:
            queries = torch.arange(start, twig.end, device=device)
            keys = torch.cat([torch.arange(trunk_start, twig.fork, device=device), queries])
            mask = visible(batch, queries, keys)
            places = (start - span.start, twig.end - span.start)
            yield Block(*places, trunk_start, twig.fork, mask)
            start = twig.end


def _seen(states: Tensor, trunk: Tensor, block: Block) -> Tensor:
    seen = trunk[:, :, block.trunk_start : block.fork]
    return torch.cat([seen, states[:, :, block.start : block.end]], dim=2)


AttentionInterface.register(TREE_ATTENTION, tree_attention_forward)
# without a mask function of the same name, transformers drops padding masks
AttentionMaskInterface.register(TREE_ATTENTION, sdpa_mask)
