"""Compares packed prefix trees with plain rows, for `relgen.models.check_architecture`."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from relgen.dpo.logps import tree_log_probabilities
from relgen.dpo.prefix_tree import pack
from relgen.dpo.tokenize import ChainTokens
from relgen.models import random_texts


def tree_difference(model: Any) -> Tensor:
    """Return how much the log-probabilities of two pairs' completions differ, (4,)."""
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
