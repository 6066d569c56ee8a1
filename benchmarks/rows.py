"""The plain layout of preference pairs, a row for each completion, to compare packed trees with."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain as joined
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from relgen.dpo import ChainTokens, PairLogProbabilities
from relgen.kernels import token_log_probabilities


class RowBatch(NamedTuple):
    """The same pairs as 2B rows, padded on the right: chosen first, then rejected.

    Args:
        input_ids: (2B, L).
        attention_mask: (2B, L), 1 for tokens, 0 for padding.
        completion_mask: (2B, L), True for the tokens of the completion.
    """

    input_ids: Tensor
    attention_mask: Tensor
    completion_mask: Tensor


def lay_out_rows(chains: Sequence[ChainTokens]) -> RowBatch:
    """Lay out the same pairs plainly: one row for each completion, with its whole prompt."""
    chosen, rejected = [], []
    for chain in chains:
        for step in range(len(chain.chosen)):
            shown = joined.from_iterable(chain.demonstrations[: step + 1])
            prompt = [*chain.prefix, *shown, *chain.cue]
            chosen.append((prompt, chain.chosen[step]))
            rejected.append((prompt, chain.rejected[step]))
    rows = [*chosen, *rejected]
    ids = [torch.tensor([*prompt, *completion]) for prompt, completion in rows]
    completion_masks = [
        torch.tensor([False] * len(prompt) + [True] * len(completion))
        for prompt, completion in rows
    ]
    return RowBatch(
        pad_sequence(ids, batch_first=True),
        pad_sequence([torch.ones_like(row) for row in ids], batch_first=True),
        pad_sequence(completion_masks, batch_first=True),
    )


def row_log_probabilities(model: nn.Module, rows: RowBatch) -> PairLogProbabilities:
    """Return the log-probabilities of the completions, (B,) each.

    Args:
        model: any causal language model.
        rows: the same B pairs as 2B padded rows.
    """
    length = rows.input_ids.shape[1]
    first = int(rows.completion_mask.any(0).nonzero()[0])  # before it there is nothing to predict
    logits = model(
        input_ids=rows.input_ids,
        attention_mask=rows.attention_mask,
        logits_to_keep=length - first + 1,
        use_cache=False,
    ).logits[:, :-1]  # (2B, L - first, V)
    ids = rows.input_ids[:, first:]
    per_token = token_log_probabilities(logits.flatten(0, 1), ids.flatten()).view(ids.shape)
    chosen, rejected = (per_token * rows.completion_mask[:, first:]).sum(-1).chunk(2)
    return PairLogProbabilities(chosen, rejected)
