"""Log-probabilities of completions under a model: packed trees, and row by row.

Leaves out: which model (policy or reference) and what is done with them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from peft import PeftModel
from torch import Tensor, nn

from relgen.flex_attention import plan_flex
from relgen.frozen_head import frozen_head_log_probabilities, is_frozen_head
from relgen.tree import RowBatch, TreeBatch
from relgen.tree_attention import TreeAttention, TreePlan, check_attention, dense_mask

# what configurations call a factor or a cap on the head's output
_CHANGES_LOGITS = (
    "final_logit_softcapping",
    "logits_scaling",
    "logit_scale",
    "lm_head_multiplier",
    "output_multiplier",
)


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

    The LM head runs on the T target positions only; a frozen one on few at a time, so that a large
    vocabulary does not decide how many chains a batch can hold (`relgen.frozen_head`).

    Args:
        model: a causal language model or a PEFT model around one.
        batch: B pairs.
        attention: `tree` follows the tree's shape, `dense` is the N x N mask, `flex` is one kernel
            on a GPU.

    Raises:
        InputError: the model's attention does not allow it (`check_attention`).
    """
    config: Any = model.config
    check_attention(config, attention)
    inputs: dict[str, Any] = (
        {"attention_mask": dense_mask(batch)}
        if attention == "dense"
        else {
            "tree": plan_flex(batch)
            if attention == "flex"
            else TreePlan(batch, group=_heads_a_group(config)),
            # a 4D mask makes transformers build none of its own; our function does not read it
            "attention_mask": torch.ones(
                1, 1, 1, 1, dtype=torch.bool, device=batch.input_ids.device
            ),
        }
    )
    inputs |= {"input_ids": batch.input_ids, "position_ids": batch.position_ids}
    per_token = _target_log_probabilities(model, batch, inputs)  # (T,)
    sums = per_token.new_zeros(2 * batch.pairs).index_add(0, batch.target_sequences, per_token)
    chosen, rejected = sums.chunk(2)
    return PairLogProbabilities(chosen, rejected)


def row_log_probabilities(model: nn.Module, rows: RowBatch) -> PairLogProbabilities:
    """The same from the plain layout of 2B padded rows; what the packed form is tested against.

    Args:
        model: any causal language model.
        rows: chosen rows first, then rejected.
    """
    length = rows.input_ids.shape[1]
    first = int(rows.completion_mask.any(0).nonzero()[0])  # before it there is nothing to predict
    logits = model(
        input_ids=rows.input_ids,
        attention_mask=rows.attention_mask,
        logits_to_keep=length - first + 1,
        use_cache=False,
    ).logits[:, :-1]  # (2B, L - first, V)
    per_token = token_log_probabilities(logits, rows.input_ids[:, first:])  # (2B, L - first)
    chosen, rejected = (per_token * rows.completion_mask[:, first:]).sum(-1).chunk(2)
    return PairLogProbabilities(chosen, rejected)


def _target_log_probabilities(model: Any, batch: TreeBatch, inputs: dict[str, Any]) -> Tensor:
    """(T,), whatever the head."""
    base: Any = model.get_base_model() if isinstance(model, PeftModel) else model
    head = base.get_output_embeddings()
    if not (is_frozen_head(head) and _has_plain_head(base.config)):
        logits = model(**inputs, logits_to_keep=batch.target_positions, use_cache=False).logits[0]
        return token_log_probabilities(logits, batch.target_ids)
    states = base.get_decoder()(**inputs, use_cache=False).last_hidden_state  # (1, N, D)
    return frozen_head_log_probabilities(head, states[0, batch.target_positions], batch.target_ids)


def _heads_a_group(config: Any) -> int:
    """Query heads that share their keys and values."""
    text = config.get_text_config()
    heads: int = text.num_attention_heads
    return heads // (getattr(text, "num_key_value_heads", None) or heads)


def _has_plain_head(config: Any) -> bool:
    """Whether the logits are what the head gives, neither scaled nor capped (Granite, Gemma)."""
    text = config.get_text_config()
    return all(getattr(text, name, None) is None for name in _CHANGES_LOGITS)


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
    # one pass over the vocabulary, where gather and logsumexp are several
    losses = F.cross_entropy(logits.flatten(0, -2), ids.flatten(), reduction="none")
    return -losses.view(ids.shape)
