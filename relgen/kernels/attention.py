"""The attention function of language models that relgen loads.

It is transformers' own, except that a model's keyword argument `attend`, which transformers passes
on to this function, computes attention instead: packed prefix trees and drafts that share a prompt
need this.
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
"""(layer number, query (B, H, T, D), key and value (B, G, L, D), scale) -> (B, T, H, D)."""
ATTENTION = "relgen"
"""The name to load a model with: `load_language_model(…, attention=ATTENTION)`."""
_SPECIAL = ("sliding_window", "softcap", "s_aux", "position_bias")


def grouped_attention(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None, **options: Any
) -> Tensor:
    """Return `scaled_dot_product_attention` for grouped heads, (B, H, T, D).

    `query` is (B, H, T, D), `key` and `value` are (B, G, L, D), H a multiple of G. The mask is True
    where a query sees a key, and broadcasts to (B, H, T, L).
    """
    groups = query.shape[1] // key.shape[1]
    # on a GPU, a mask beside grouped keys and values would rule out the fast kernels
    if groups > 1 and query.device.type != "cpu":
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
    """Return the attention of one layer, (B, T, H, D), and no weights; transformers calls this.

    `query` is (B, H, T, D), `key` and `value` are (B, G, L, D); `attention_mask`, which `attend`
    does not get, broadcasts to (B, H, T, L). The scale of the scores is 1/√D when None. Raises
    ValueError if the layer needs an option that `attend` does not support: dropout on the scores, a
    window, a soft cap or sinks.
    """
    if attend is not None:
        special = [name for name in _SPECIAL if kwargs.get(name) is not None]
        if special or dropout:
            asked = ", ".join(special) or "dropout on the scores"
            raise ValueError(f"this layer needs {asked}, which this attention does not support")
        return attend(cast(int, module.layer_idx), query, key, value, scaling), None
    return sdpa_attention_forward(
        module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **kwargs
    )


AttentionInterface.register(ATTENTION, attention_forward)
# without a mask function of the same name, transformers drops padding masks
AttentionMaskInterface.register(ATTENTION, sdpa_mask)
