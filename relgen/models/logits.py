"""Computes logits at chosen tokens only: a vocabulary's worth of numbers each."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


def logits_at(model: Any, places: Tensor, **inputs: Any) -> Tensor:
    """Run a causal language model and return the logits at M tokens of each row, (B, M, V).

    `places` (B, M) are indices of tokens. The model's head gets these alone; what some models do
    after it (scaling, a soft cap) is theirs.
    """
    rows = torch.arange(len(places), device=places.device)[:, None]

    def choose(head: nn.Module, states: tuple[Tensor]) -> tuple[Tensor]:
        return (states[0][rows, places],)

    hook = model.get_output_embeddings().register_forward_pre_hook(choose)
    try:
        found: Tensor = model(**inputs).logits
    finally:
        hook.remove()
    return found
