"""The last layer of an encoder, computed only at the tokens whose states are read.

Keys and values still need all tokens. Queries, the output projection and the feed-forward part,
more than four fifths of a layer, run at the chosen tokens only. Their states are the same.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from relgen.kernels.switch import in_use

# `model_type` of the encoders whose layers are those of BERT
_FAMILIES = ("bert", "camembert", "electra", "roberta", "xlm-roberta")


def narrow(encoder: Any) -> bool:
    """Replace the encoder's last layer by a `NarrowLayer`; return False for other families."""
    fits = encoder.config.model_type in _FAMILIES and not encoder.config.is_decoder
    if not (fits and in_use("last_layer")):
        return False
    layers = encoder.encoder.layer
    if not isinstance(layers[-1], NarrowLayer):
        layers[-1] = NarrowLayer(layers[-1])
    return True


def read_states(encoder: Any, ids: Tensor, mask: Tensor, places: Tensor) -> Tensor:
    """Return the last layer's states of P tokens of each text, (B, P, H).

    `ids` are (B, T); the mask (B, T) is 0 for padding; `places` (B, P) are indices of the tokens to
    read. The encoder is a base model of transformers, narrowed (`narrow`) or not.
    """
    inputs: dict[str, Any] = {"input_ids": ids, "attention_mask": mask}
    layers = getattr(getattr(encoder, "encoder", None), "layer", None)
    if isinstance(layers, nn.ModuleList) and isinstance(layers[-1], NarrowLayer):
        # transformers passes extra keyword arguments on to its layers
        narrowed: Tensor = encoder(**inputs, kept=places).last_hidden_state
        return narrowed
    return at_places(encoder(**inputs).last_hidden_state, places)


def at_places(states: Tensor, places: Tensor) -> Tensor:
    """Return the states of some tokens, (B, P, H), of (B, T, H) at the indices (B, P)."""
    # not `len`, which an exporter takes for a constant
    return states[torch.arange(states.shape[0], device=states.device)[:, None], places]


class NarrowLayer(nn.Module):
    """A layer of the BERT family, with that layer's modules, computed at chosen tokens only."""

    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.attention = layer.attention
        self.intermediate = layer.intermediate
        self.output = layer.output

    def forward(
        self,
        hidden_states: Tensor,
        attention_mask: Tensor | None = None,
        *args: Any,
        kept: Tensor | None = None,
        **kwargs: Any,
    ) -> Tensor:
        """Return the states of the chosen tokens, (B, P, H).

        `hidden_states` are (B, T, H); `kept` (B, P) are indices of tokens, by default all. The mask
        (B, 1, …, T) is the same for every query. Other arguments are for layers of other kinds.
        """
        own = self.attention.self
        read = hidden_states if kept is None else at_places(hidden_states, kept)  # (B, P, H)
        projections = own.query(read), own.key(hidden_states), own.value(hidden_states)
        query, key, value = (
            part.unflatten(-1, (own.num_attention_heads, -1)).transpose(1, 2)
            for part in projections
        )
        attended = F.scaled_dot_product_attention(
            query,
            key,
            value,
            None if attention_mask is None else attention_mask[:, :, :1],
            dropout_p=own.dropout.p if self.training else 0.0,
        )
        joined = attended.transpose(1, 2).flatten(-2)  # (B, P, H)
        projected = self.attention.output(joined, read)
        result: Tensor = self.output(self.intermediate(projected), projected)
        return result
