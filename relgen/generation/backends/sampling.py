"""Samples the next tokens: repetition penalty, grammar mask, temperature, top-k, top-p.

The caller supplies one uniform random number per row, so that a row's tokens do not depend on the
rest of the batch.
"""

from __future__ import annotations

import torch
from torch import Tensor

ROWS = 16
"""Rows whose tokens are chosen at a time."""


def penalise_repetition(logits: Tensor, seen: Tensor, penalty: float) -> Tensor:
    """Divide positive logits of seen tokens by `penalty`, and multiply negative ones (CTRL, arXiv
    1909.05858, section 4.1).

    Both are (B, V). As in transformers, prompt tokens count as seen.
    """
    if penalty == 1.0:
        return logits
    penalised = torch.where(logits > 0, logits / penalty, logits * penalty)
    return torch.where(seen, penalised, logits)


def nucleus(
    scores: Tensor, temperature: float, top_k: int | None, top_p: float
) -> tuple[Tensor, Tensor]:
    """Return the tokens that may be drawn, most probable first, and their probabilities.

    The scores (B, V) are -inf for forbidden tokens, and the temperature is above 0. `top_p` keeps
    the fewest tokens whose probabilities reach this sum (at least one). Both results are (B, K);
    excluded tokens have probability 0.
    """
    scores = scores / temperature
    width = scores.shape[-1]
    kept, ids = torch.topk(scores, min(top_k or width, width), dim=-1)
    probabilities = torch.softmax(kept, dim=-1)
    before = probabilities.cumsum(dim=-1) - probabilities
    probabilities = probabilities.masked_fill(before >= top_p, 0.0)
    return ids, probabilities / probabilities.sum(dim=-1, keepdim=True)


def choose_tokens(
    logits: Tensor,
    seen: Tensor,
    allowed: Tensor | None,
    uniform: Tensor,
    *,
    temperature: float,
    top_k: int | None,
    top_p: float,
    repetition_penalty: float,
) -> tuple[Tensor, Tensor]:
    """Draw one token per row, for a few rows at a time: copies of all logits would take memory.

    Args:
        logits: (B, V), the model's output.
        seen: (B, V) bool: tokens of the prompt and of the draft so far.
        allowed: (B, V) bool: tokens that the grammar allows, at least one per row; None allows all.
        uniform: (B,) numbers in [0, 1), not used at temperature 0.

    Returns:
        Token ids (B,), and their log-probabilities (B,) under the unmodified policy: without
        penalty, grammar, temperature, top-k and top-p.
    """

    def choose(rows: slice) -> tuple[Tensor, Tensor]:
        scores = penalise_repetition(logits[rows], seen[rows], repetition_penalty)
        if allowed is not None:
            scores = scores.masked_fill(~allowed[rows], float("-inf"))
        if temperature == 0:
            ids = scores.argmax(dim=-1)
        else:
            ids = _drawn(*nucleus(scores, temperature, top_k, top_p), uniform[rows])
        chosen = logits[rows].gather(-1, ids[:, None]).squeeze(-1)
        return ids, chosen - torch.logsumexp(logits[rows], dim=-1)

    parts = [choose(slice(start, start + ROWS)) for start in range(0, len(logits), ROWS)]
    ids, logprobs = zip(*parts, strict=True)
    return torch.cat(ids), torch.cat(logprobs)


def _drawn(options: Tensor, probabilities: Tensor, uniform: Tensor) -> Tensor:
    reached = probabilities.cumsum(dim=-1)
    # the last sum can fall short of 1 by rounding: scale, so that every draw finds a token
    places = torch.searchsorted(reached, uniform[:, None] * reached[:, -1:], right=True)
    last = (probabilities > 0).sum(dim=-1, keepdim=True) - 1
    return options.gather(-1, torch.minimum(places, last)).squeeze(-1)
