"""Log-probabilities of completions under a model: packed trees, and row by row.

Leaves out: which model (policy or reference) and what is done with them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from peft import PeftModel
from torch import Tensor, nn

from relgen.dpo.prefix_tree import Part, RowBatch, Span, TreeBatch
from relgen.dpo.tree_attention import (
    TreeAttention,
    TreePlan,
    TrunkStates,
    check_attention,
    dense_mask,
)
from relgen.kernels.lm_head import frozen_head_log_probabilities, is_frozen_head

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
    vocabulary does not decide how many chains a batch can hold (`relgen.kernels.lm_head`).

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
        else _planned(_plan(model, batch), batch)
    )
    everything = Part(batch.whole, slice(0, batch.pairs), slice(0, len(batch.target_ids)))
    return _part_log_probabilities(model, batch, everything, inputs)


def trunk_states(model: nn.Module, batch: TreeBatch) -> TrunkStates:
    """Reads the trunks of packed trees: keys and values, for `part_log_probabilities`.

    Args:
        model: as for `tree_log_probabilities`; its attention is that of `tree`.
        batch: its twigs are not read.
    """
    states = TrunkStates()
    plan = _plan(model, batch, span=batch.trunks, states=states)
    _hidden_states(model, batch, batch.trunks, _planned(plan, batch))
    return states


def part_log_probabilities(
    model: nn.Module, batch: TreeBatch, part: Part, states: TrunkStates
) -> PairLogProbabilities:
    """The same for the b pairs of one part of the twigs, with trunks that are read already.

    Args:
        model: as for `trunk_states`.
        batch: the packed trees.
        part: one of `relgen.dpo.prefix_tree.parts`.
        states: of the trunks.

    Returns:
        (b,) each.
    """
    plan = _plan(model, batch, span=part.span, states=states)
    return _part_log_probabilities(model, batch, part, _planned(plan, batch))


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


def _part_log_probabilities(
    model: nn.Module, batch: TreeBatch, part: Part, inputs: dict[str, Any]
) -> PairLogProbabilities:
    per_token = _target_log_probabilities(model, batch, part, inputs)  # (t,)
    # in the batch, chosen ones are numbered from 0 on and rejected ones from B on
    kinds, pairs = (
        batch.target_sequences[part.targets].div(batch.pairs, rounding_mode="floor"),
        batch.target_sequences[part.targets] % batch.pairs,
    )
    b = part.pairs.stop - part.pairs.start
    places = kinds * b + pairs - part.pairs.start
    sums = per_token.new_zeros(2 * b).index_add(0, places, per_token)
    chosen, rejected = sums.chunk(2)
    return PairLogProbabilities(chosen, rejected)


def _target_log_probabilities(
    model: nn.Module, batch: TreeBatch, part: Part, inputs: dict[str, Any]
) -> Tensor:
    """(t,) of a part's targets, whatever the head."""
    base = _base_model(model)
    head = base.get_output_embeddings()
    places = batch.target_positions[part.targets] - part.span.start
    ids = batch.target_ids[part.targets]
    if is_frozen_head(head) and _has_plain_head(base.config):
        states = _hidden_states(model, batch, part.span, inputs)
        return frozen_head_log_probabilities(head, states[places], ids)
    row = _tokens(batch, part.span)
    logits = model(**row, **inputs, logits_to_keep=places, use_cache=False).logits[0]
    return token_log_probabilities(logits, ids)


def _hidden_states(
    model: nn.Module, batch: TreeBatch, span: Span, inputs: dict[str, Any]
) -> Tensor:
    """(n, D), what the head reads, of the span's n tokens."""
    decoder = _base_model(model).get_decoder()
    states: Tensor = decoder(**_tokens(batch, span), **inputs, use_cache=False).last_hidden_state[0]
    return states


def _base_model(model: nn.Module) -> Any:
    return model.get_base_model() if isinstance(model, PeftModel) else model


def _tokens(batch: TreeBatch, span: Span) -> dict[str, Tensor]:
    row = slice(span.start, span.end)
    return {"input_ids": batch.input_ids[:, row], "position_ids": batch.position_ids[:, row]}


def _plan(
    model: nn.Module,
    batch: TreeBatch,
    *,
    span: Span | None = None,
    states: TrunkStates | None = None,
) -> TreePlan:
    return TreePlan(batch, span=span, states=states, group=_heads_a_group(model.config))


def _planned(plan: TreePlan, batch: TreeBatch) -> dict[str, Any]:
    # a 4D mask makes transformers build none of its own; our function does not read it
    mask = torch.ones(1, 1, 1, 1, dtype=torch.bool, device=batch.input_ids.device)
    return {"tree": plan, "attention_mask": mask}


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
