"""The last layer of an encoder for the few tokens whose states are read, and for no others.

All tokens still give keys and values; queries, the output projection and the feed-forward part,
more than four fifths of a layer, run at the tokens that are asked for. The states are the same.

transformers hands extra keyword arguments of a model's forward on to its layers, so that the places
travel as `kept=…`.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from relgen.kernels.replacement import as_kind
from relgen.kernels.switch import in_use

_PARTS = (
    *("attention.self.query", "attention.self.key", "attention.self.value"),
    *("attention.self.dropout", "attention.output", "intermediate", "output"),
)


def read_states(encoder: Any, ids: Tensor, mask: Tensor, places: Tensor) -> Tensor:
    """Return the states of a few tokens of each text after the last layer.

    Args:
        encoder: a base model of transformers; of one that `accelerate` prepared for a classifier,
            only what is read is computed in the last layer.
        ids: (B, T).
        mask: (B, T), 1 for a token and 0 for padding.
        places: (B, P) of the tokens to read.

    Returns:
        (B, P, H)
    """
    inputs: dict[str, Any] = {"input_ids": ids, "attention_mask": mask}
    if isinstance(_last(encoder), NarrowLayer) and in_use("last_layer"):
        narrowed: Tensor = encoder(**inputs, kept=places).last_hidden_state
        return narrowed
    return select_tokens(encoder(**inputs).last_hidden_state, places)


def select_tokens(states: Tensor, places: Tensor) -> Tensor:
    """Return the states of some tokens: (B, T, H) at (B, P) gives (B, P, H)."""
    return states[torch.arange(len(states), device=states.device)[:, None], places]


def narrow_last_layer(encoder: Any) -> None:
    """Replace an encoder's last layer by a `NarrowLayer`, if it is built like BERT's."""
    last = _last(encoder)
    config = encoder.config
    fits = (
        last is not None
        and not isinstance(last, NarrowLayer)
        and all(_has(last, name) for name in _PARTS)
        and getattr(config, "position_embedding_type", "absolute") in ("absolute", None)
        and not getattr(config, "is_decoder", False)
    )
    if fits and in_use("last_layer"):
        assert last is not None
        encoder.encoder.layer[-1] = as_kind(last, NarrowLayer)


class NarrowLayer(nn.Module):
    """A layer that takes `kept`, the tokens to compute; to be joined with its original class."""

    def forward(
        self,
        hidden_states: Tensor,
        attention_mask: Tensor | None = None,
        *args: Any,
        kept: Tensor | None = None,
        **kwargs: Any,
    ) -> Any:
        """(B, T, H) to (B, P, H), or what the original layer returns without `kept`, (B, P)."""
        if kept is None:
            return super().forward(hidden_states, attention_mask, *args, **kwargs)
        return _at(self, hidden_states, attention_mask, kept)


def _at(layer: Any, states: Tensor, mask: Tensor | None, places: Tensor) -> Tensor:
    """Compute a layer of the BERT family at some places.

    Args:
        layer: the layer.
        states: (B, T, H).
        mask: (B, 1, …, T), bool or added to the scores; the same for every query.
        places: (B, P).

    Returns:
        (B, P, H)
    """
    own = layer.attention.self
    read = select_tokens(states, places)  # (B, P, H)
    query, key, value = (
        part.unflatten(-1, (own.num_attention_heads, -1)).transpose(1, 2)
        for part in (own.query(read), own.key(states), own.value(states))
    )
    attended = F.scaled_dot_product_attention(
        query,
        key,
        value,
        None if mask is None else mask[:, :, :1],
        dropout_p=own.dropout.p if layer.training else 0.0,
    )
    joined = attended.transpose(1, 2).flatten(-2)  # (B, P, H)
    projected = layer.attention.output(joined, read)
    result: Tensor = layer.output(layer.intermediate(projected), projected)
    return result


def _last(encoder: Any) -> nn.Module | None:
    layers = getattr(getattr(encoder, "encoder", None), "layer", None)
    return layers[-1] if isinstance(layers, nn.ModuleList) and len(layers) else None


def _has(module: nn.Module, name: str) -> bool:
    try:
        module.get_submodule(name)
    except AttributeError:
        return False
    return True
