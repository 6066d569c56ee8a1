"""Log-probabilities of completions under a model: packed trees, and row by row.

Leaves out: which model (policy or reference) and what is done with them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from relgen.tree import RowBatch, TreeBatch
from relgen.tree_attention import TreeAttention, check_attention, dense_mask, plan_attention


class PairLogProbabilities(NamedTuple):
    """Summed log-probabilities of B pairs: `chosen` (B,) and `rejected` (B,)."""

    chosen: Tensor
    rejected: Tensor

    def per_token(self, completion_tokens: Tensor) -> PairLogProbabilities:
        """Length normalisation: divided by the completions' token counts, (2B,)."""
        chosen_tokens, rejected_tokens = completion_tokens.chunk(2)
        return PairLogProbabilities(self.chosen / chosen_tokens, self.rejected / rejected_tokens)


def tree_log_probabilities(
    model: nn.Module, batch: TreeBatch, *, attention: TreeAttention = "tree"
) -> PairLogProbabilities:
    """Log-probabilities of the completions of packed trees, in one forward pass.

    The LM head runs on the T target positions only.

    Args:
        model: a causal language model or a PEFT model around one.
        batch: B pairs.
        attention: `tree` follows the tree's shape, `dense` is the N x N mask.

    Raises:
        InputError: the model's attention does not allow it (`check_attention`).
    """
    config: Any = model.config
    check_attention(config, attention)
    inputs: dict[str, Any] = (
        {"attention_mask": dense_mask(batch)}
        if attention == "dense"
        else {
            "tree": plan_attention(batch),
            # a 4D mask makes transformers build none of its own; our function does not read it
            "attention_mask": torch.ones(
                1, 1, 1, 1, dtype=torch.bool, device=batch.input_ids.device
            ),
        }
    )
    logits = model(
        input_ids=batch.input_ids,
        position_ids=batch.position_ids,
        logits_to_keep=batch.target_positions,
        use_cache=False,
        **inputs,
    ).logits[0]  # (T, V)
    per_token = token_log_probabilities(logits, batch.target_ids)  # (T,)
    sums = per_token.new_zeros(2 * batch.pairs).index_add(0, batch.target_sequences, per_token)
    chosen, rejected = sums.chunk(2)
    return PairLogProbabilities(chosen, rejected)


def row_log_probabilities(model: nn.Module, rows: RowBatch) -> PairLogProbabilities:
    """The same from the plain layout of 2B padded rows; what the packed form is tested against.

    Args:
        model: any causal language model.
        rows: chosen rows first, then rejected.
    """
    logits = model(
        input_ids=rows.input_ids, attention_mask=rows.attention_mask, use_cache=False
    ).logits[:, :-1]  # (2B, L - 1, V)
    per_token = token_log_probabilities(logits, rows.input_ids[:, 1:])  # (2B, L - 1)
    chosen, rejected = (per_token * rows.completion_mask[:, 1:]).sum(-1).chunk(2)
    return PairLogProbabilities(chosen, rejected)


def token_log_probabilities(logits: Tensor, ids: Tensor) -> Tensor:
    """Log-probability of each id.

    Args:
        logits: (..., V); half precision is taken to float32 first.
        ids: (...).

    Returns:
        (...)
    """
    if logits.dtype in (torch.bfloat16, torch.float16):
        logits = logits.float()
    return logits.gather(-1, ids[..., None])[..., 0] - logits.logsumexp(-1)
