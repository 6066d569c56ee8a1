"""Attention of models whose queries share keys and values in groups, without copies on a CPU.

transformers repeats keys and values for every query head as soon as there is a mask. torch's kernel
for CPUs takes them as they are; the repeated copy of a long cache costs more there than attention
itself. On other devices a mask with grouped heads would rule the fast kernels out, so that they are
left to transformers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import torch.nn.functional as F
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import repeat_kv, sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

Attend = Callable[[int, Tensor, Tensor, Tensor, float | None], Tensor]
"""Number of the layer, (B, H, T, D), (B, G, L, D) twice and the scale to (B, T, H, D)."""
GROUPED_ATTENTION = "relgen_grouped"
"""The name to load a model with: `load_language_model(…, attention=GROUPED_ATTENTION)`."""


def takes_groups(device: str) -> bool:
    """Whether a device's kernels take grouped keys and values beside a mask."""
    return device == "cpu"


def grouped_attention(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None, **options: Any
) -> Tensor:
    """`scaled_dot_product_attention` for H query heads and G heads of keys and values.

    Args:
        query: (B, H, T, D).
        key: (B, G, L, D), H a multiple of G.
        value: (B, G, L, D).
        mask: broadcasts to (B, H, T, L); bool, True where a query sees a key.
        options: `is_causal`, `dropout_p`, `scale`.

    Returns:
        (B, H, T, D)
    """
    groups = query.shape[1] // key.shape[1]
    if groups > 1 and not takes_groups(query.device.type):
        key, value, groups = repeat_kv(key, groups), repeat_kv(value, groups), 1
    result: Tensor = F.scaled_dot_product_attention(
        query, key, value, mask, enable_gqa=groups > 1, **options
    )
    return result


def grouped_attention_forward(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    attend: Attend | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """The attention function that transformers calls: its own, but for masks on a CPU.

    Args:
        module: the attention layer.
        query: (B, H, T, D).
        key: (B, G, L, D).
        value: (B, G, L, D).
        attention_mask: broadcasts to (B, H, T, L), or None.
        dropout: on the scores.
        scaling: of the scores; 1/√D when None.
        attend: computes it in place of this function.
        kwargs: what else transformers passes.

    Returns:
        (B, T, H, D), and None in place of the weights.
    """
    if attend is not None:
        return attend(cast(int, module.layer_idx), query, key, value, scaling), None
    special = any(kwargs.get(name) is not None for name in ("softcap", "position_bias", "cache"))
    if attention_mask is None or not takes_groups(query.device.type) or special:
        return sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **kwargs
        )
    output = grouped_attention(query, key, value, attention_mask, dropout_p=dropout, scale=scaling)
    return output.transpose(1, 2).contiguous(), None


AttentionInterface.register(GROUPED_ATTENTION, grouped_attention_forward)
# without a mask function of the same name, transformers drops padding masks
AttentionMaskInterface.register(GROUPED_ATTENTION, sdpa_mask)
