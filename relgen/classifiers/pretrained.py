"""What the architectures ask of a pre-trained encoder, whatever its family."""

from __future__ import annotations

import sys

from torch import nn
from transformers import PreTrainedModel


def set_dropout(module: nn.Module, probability: float) -> None:
    """Sets the probability of every dropout below a module, attention's included."""
    for part in module.modules():
        if isinstance(part, nn.Dropout):
            part.p = probability


def longest_input(encoder: PreTrainedModel) -> int:
    """How many tokens an encoder has position embeddings for.

    RoBERTa counts positions from behind its padding id, and so has fewer than its table has rows.
    """
    table = getattr(getattr(encoder, "embeddings", None), "position_embeddings", None)
    if not isinstance(table, nn.Embedding):
        return int(getattr(encoder.config, "max_position_embeddings", sys.maxsize))
    first = 0 if table.padding_idx is None else table.padding_idx + 1
    return table.num_embeddings - first
