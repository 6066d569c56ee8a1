"""The attention function of language models that relgen loads.

It is transformers' own, except for two keyword arguments of a model, which transformers passes on
to this function. `attend` computes attention instead: packed prefix trees and drafts that share a
prompt need this. `distance` tells how far each key is from each query, for layers that look back
through a window: transformers does not change a mask of four dimensions, which relgen's layouts
need. Soft caps, of which transformers' function takes no notice, are computed here too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import repeat_kv, sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

ATTENTION = "relgen"
"""The name to load a model with: `load_language_model(…, attention=ATTENTION)`."""
_SPECIAL = ("s_aux", "position_bias")


class ScoreOptions(NamedTuple):
    """Options with which a layer computes attention's scores.

    They are products times `scale` (1/√D when None), capped smoothly at `softcap`; keys at least
    `window` positions before a query are hidden from it.
    """

    scale: float | None = None
    softcap: float | None = None
    window: int | None = None


_PLAIN = ScoreOptions()
Attend = Callable[[int, Tensor, Tensor, Tensor, ScoreOptions], Tensor]
"""(layer number, query (B, H, T, D), key and value (B, G, L, D), scores) -> (B, T, H, D)."""


def window_options(config: Any, queries: Tensor, keys: Tensor) -> dict[str, Tensor]:
    """Return the argument `distance` for a model some of whose layers hide keys by a window.

    Args:
        config: the model's.
        queries: positions of the tokens, (B, T).
        keys: positions of the keys that they attend to, (B or 1, L).
    """
    window = getattr(config.get_text_config(), "sliding_window", None)
    if window is None or int(queries.max() - keys.min()) < window:
        return {}
    return {"distance": queries[:, None, :, None] - keys[:, None, None]}


def grouped_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None = None,
    scores: ScoreOptions = _PLAIN,
) -> Tensor:
    """Return scaled dot-product attention for grouped heads, (B, H, T, D).

    `query` is (B, H, T, D), `key` and `value` are (B, G, L, D), H a multiple of G. The mask is True
    where a query sees a key, and broadcasts to (B, H, T, L); None stands for a causal one, and
    windows have to be part of it.
    """
    groups = query.shape[1] // key.shape[1]
    # on a GPU, a mask beside grouped keys and values would rule out the fast kernels
    if groups > 1 and (query.device.type != "cpu" or scores.softcap):
        key, value, groups = repeat_kv(key, groups), repeat_kv(value, groups), 1
    if scores.softcap:
        return _capped_attention(query, key, value, mask, scores)
    result: Tensor = F.scaled_dot_product_attention(
        query,
        key,
        value,
        mask,
        is_causal=mask is None,
        scale=scores.scale,
        enable_gqa=groups > 1,
    )
    return result


def _capped_attention(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, scores: ScoreOptions
) -> Tensor:
    cap = cast(float, scores.softcap)
    scale = query.shape[-1] ** -0.5 if scores.scale is None else scores.scale
    found = (query @ key.mT * (scale / cap)).tanh() * cap  # (B, H, T, L)
    if mask is None:
        mask = found.new_ones(found.shape[-2:], dtype=torch.bool).tril()
    found = found.masked_fill(~mask, torch.finfo(found.dtype).min)
    weights = found.softmax(-1, dtype=torch.promote_types(found.dtype, torch.float32))
    return weights.to(value.dtype) @ value


def attention_forward(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    attend: Attend | None = None,
    distance: Tensor | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """Return the attention of one layer, (B, T, H, D), and no weights; transformers calls this.

    `query` is (B, H, T, D), `key` and `value` are (B, G, L, D); `attention_mask`, which `attend`
    does not get, broadcasts to (B, H, T, L). `distance`, which broadcasts as well, is how many
    positions each key is before each query. The scale of the scores is 1/√D when None. Raises
    ValueError if `attend` does not support what the layer needs: dropout on the scores, or sinks.
    """
    scores = ScoreOptions(scaling, kwargs.get("softcap"), kwargs.get("sliding_window"))
    if attend is not None:
        special = [name for name in _SPECIAL if kwargs.get(name) is not None]
        if special or dropout:
            asked = ", ".join(special) or "dropout on the scores"
            raise ValueError(f"this layer needs {asked}, which this attention does not support")
        return attend(cast(int, module.layer_idx), query, key, value, scores), None
    if distance is not None and scores.window is not None and attention_mask is not None:
        attention_mask = attention_mask & (distance < scores.window)
    if scores.softcap:  # transformers' own function takes no notice of it
        if attention_mask is None and query.shape[2] == 1:  # of a cached text
            attention_mask = torch.ones(1, 1, 1, 1, dtype=torch.bool, device=query.device)
        found = grouped_attention(query, key, value, attention_mask, scores)
        return found.transpose(1, 2).contiguous(), None
    return sdpa_attention_forward(
        module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **kwargs
    )


AttentionInterface.register(ATTENTION, attention_forward)
# without a mask function of the same name, transformers drops padding masks
AttentionMaskInterface.register(ATTENTION, sdpa_mask)
