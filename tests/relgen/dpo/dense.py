"""The rule of packed trees as one N x N mask, to compare attention by the tree's shape with."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from relgen.dpo.logps import PairLogProbabilities
from relgen.dpo.prefix_tree import TreeBatch, visible
from relgen.kernels import token_log_probabilities


def dense_mask(batch: TreeBatch) -> Tensor:
    """Return the whole rule as a mask, (1, 1, N, N), bool."""
    every = torch.arange(batch.tokens)
    return visible(batch, every, every)[None, None]


def dense_log_probabilities(model: Any, batch: TreeBatch) -> PairLogProbabilities:
    """Return the log-probabilities of any model with sdpa attention."""
    logits = model(
        input_ids=batch.input_ids,
        position_ids=batch.position_ids,
        attention_mask=dense_mask(batch),
        logits_to_keep=batch.target_positions,
        use_cache=False,
    ).logits[0]
    per_token = token_log_probabilities(logits, batch.target_ids)
    sums = per_token.new_zeros(2 * batch.pairs).index_add(0, batch.target_sequences, per_token)
    return PairLogProbabilities(*sums.chunk(2))
