"""Log-probabilities of the completions of packed trees under a model."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from peft import PeftModel
from torch import Tensor, nn

from relgen.dpo.prefix_tree import MicroBatch, TreeBatch, pack
from relgen.dpo.tokenize import ChainTokens
from relgen.dpo.tree_attention import TreePlan, TrunkStates, check_attention
from relgen.kernels import head_log_probabilities, token_log_probabilities
from relgen.models import random_texts

# the names in configurations of a factor or a cap on the head's output
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


def tree_log_probabilities(model: nn.Module, batch: TreeBatch) -> PairLogProbabilities:
    """Return the log-probabilities of the completions of packed trees, from one forward pass.

    The model's LM head runs on the T target positions only. Raises InputError if the model's
    attention does not allow it (`check_attention`).
    """
    check_attention(model.config)  # type: ignore[arg-type]
    everything = MicroBatch(batch.whole, slice(0, batch.pairs), slice(0, len(batch.target_ids)))
    return _log_probabilities(model, batch, everything, TreePlan(batch))


def trunk_states(model: nn.Module, batch: TreeBatch) -> TrunkStates:
    """Return the keys and values of the trunks of packed trees, for `branch_log_probabilities`."""
    check_attention(model.config)  # type: ignore[arg-type]
    states: TrunkStates = {}
    _hidden_states(model, batch, TreePlan(batch, span=batch.trunks, states=states))
    return states


def branch_log_probabilities(
    model: nn.Module, batch: TreeBatch, micro_batch: MicroBatch, states: TrunkStates
) -> PairLogProbabilities:
    """Return the log-probabilities of the b pairs of a micro-batch, (b,) each.

    `states` are those of the trunks (`trunk_states`).
    """
    plan = TreePlan(batch, span=micro_batch.span, states=states)
    return _log_probabilities(model, batch, micro_batch, plan)


def _log_probabilities(
    model: nn.Module, batch: TreeBatch, micro_batch: MicroBatch, plan: TreePlan
) -> PairLogProbabilities:
    base = _base_model(model)
    heads = batch.target_positions[micro_batch.targets] - plan.span.start  # (t,)
    ids = batch.target_ids[micro_batch.targets]
    if has_plain_head(base.config):
        states = _hidden_states(model, batch, plan)
        per_token = head_log_probabilities(base.get_output_embeddings(), states[heads], ids)
    else:
        output = model(**_inputs(batch, plan), logits_to_keep=heads, use_cache=False)
        per_token = token_log_probabilities(output.logits[0], ids)
    # chosen completions are numbered from 0 in the batch, rejected ones from B
    sequences = batch.target_sequences[micro_batch.targets]
    rejected = sequences.div(batch.pairs, rounding_mode="floor")
    b = micro_batch.pairs.stop - micro_batch.pairs.start
    places = rejected * b + sequences % batch.pairs - micro_batch.pairs.start
    sums = per_token.new_zeros(2 * b).index_add(0, places, per_token)
    return PairLogProbabilities(*sums.chunk(2))


def _hidden_states(model: nn.Module, batch: TreeBatch, plan: TreePlan) -> Tensor:
    """Return the head's inputs for the n tokens of the plan's span, (n, D)."""
    decoder = _base_model(model).get_decoder()
    states: Tensor = decoder(**_inputs(batch, plan), use_cache=False).last_hidden_state[0]
    return states


def _inputs(batch: TreeBatch, plan: TreePlan) -> dict[str, Any]:
    row = slice(plan.span.start, plan.span.end)
    return {
        "input_ids": batch.input_ids[:, row],
        "position_ids": batch.position_ids[:, row],
        # a 4D mask stops transformers from building one; `attend` does not read it
        "attention_mask": torch.ones(1, 1, 1, 1, dtype=torch.bool, device=batch.input_ids.device),
        "attend": plan.attend,
    }


def _base_model(model: nn.Module) -> Any:
    return model.get_base_model() if isinstance(model, PeftModel) else model


def has_plain_head(config: Any) -> bool:
    """Return whether the head's output is the logits; Granite scales them, Gemma caps them."""
    text = config.get_text_config()
    return all(getattr(text, name, None) is None for name in _CHANGES_LOGITS)


def tree_difference(model: Any) -> Tensor:
    """Return how much the log-probabilities of two pairs differ from those of plain rows, (4,).

    For `relgen.models.check_architecture`.
    """
    prefix, cue, *rest = random_texts(8, 8, 3, 4, 4, 4, 4, 4, 4)
    demonstrations, chosen, rejected = rest[:2], rest[2:4], rest[4:]
    chain = ChainTokens("", prefix, demonstrations, cue, chosen, rejected, [0, 0])
    plain = []
    for completions in (chosen, rejected):
        prompt = prefix
        for demonstration, completion in zip(demonstrations, completions, strict=True):
            prompt = prompt + demonstration
            ids = torch.tensor([*prompt, *cue, *completion])
            logits = model(input_ids=ids[None], use_cache=False).logits[0, :-1]
            found = logits.log_softmax(-1).gather(1, ids[1:, None])
            plain.append(found[-len(completion) :].sum())
    packed = tree_log_probabilities(model, pack([chain]))
    return torch.cat([packed.chosen, packed.rejected]) - torch.stack(plain)
