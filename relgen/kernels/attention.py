"""The attention function that relgen's language models are loaded with.

Without more it is transformers' own, but for grouped keys and values beside a mask: transformers
repeats these for every query head. torch's kernel for CPUs takes them as they are; the repeated
copy of a long cache costs more there than attention itself. On other devices a mask with grouped
heads would rule the fast kernels out.

transformers hands extra keyword arguments of a model's forward on to its attention function. One
named `attend` computes attention instead: that is how packed prefix trees and drafts that share a
prompt go through a model.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import torch.nn.functional as F
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import repeat_kv, sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from relgen.kernels.switch import in_use

Attend = Callable[[int, Tensor, Tensor, Tensor, float | None], Tensor]
"""Number of the layer, (B, H, T, D), (B, G, L, D) twice and the scale to (B, T, H, D)."""
ATTENTION = "relgen"
"""The name to load a model with: `load_language_model(…, attention=ATTENTION)`."""
_SPECIAL = ("sliding_window", "softcap", "s_aux", "position_bias")


def grouped_attention(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None, **options: Any
) -> Tensor:
    """Return `scaled_dot_product_attention` for H query heads and G heads of keys and values.

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
    if groups > 1 and not _takes_groups(query.device.type):
        key, value, groups = repeat_kv(key, groups), repeat_kv(value, groups), 1
    result: Tensor = F.scaled_dot_product_attention(
        query, key, value, mask, enable_gqa=groups > 1, **options
    )
    return result


def attention_forward(
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
    """Compute the attention of one layer; transformers calls this.

    Args:
        module: the attention layer.
        query: (B, H, T, D).
        key: (B, G, L, D).
        value: (B, G, L, D).
        attention_mask: broadcasts to (B, H, T, L), or None; `attend` does not get it.
        dropout: on the scores.
        scaling: of the scores; 1/√D when None.
        attend: computes attention instead.
        kwargs: what else transformers passes.

    Returns:
        (B, T, H, D), and None in place of the weights.

    Raises:
        ValueError: the layer asks for something that `attend` does not know: dropout on the scores,
            a window, a soft cap or sinks.
    """
    special = [name for name in _SPECIAL if kwargs.get(name) is not None]
    if attend is not None:
        if special or dropout:
            asked = ", ".join(special) or "dropout on the scores"
            raise ValueError(f"this layer asks for {asked}, which this attention does not compute")
        return attend(cast(int, module.layer_idx), query, key, value, scaling), None
    plain = attention_mask is None or special or kwargs.get("cache") is not None
    if plain or not _takes_groups(query.device.type):
        return sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **kwargs
        )
    output = grouped_attention(query, key, value, attention_mask, dropout_p=dropout, scale=scaling)
    return output.transpose(1, 2).contiguous(), None


def _takes_groups(device: str) -> bool:
    """Return whether a device's kernels take grouped keys and values beside a mask."""
    return device == "cpu" and in_use("grouped")


AttentionInterface.register(ATTENTION, attention_forward)
# without a mask function of the same name, transformers drops padding masks
AttentionMaskInterface.register(ATTENTION, sdpa_mask)
