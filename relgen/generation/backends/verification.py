"""Compares cached decoding with whole texts, for `relgen.models.check_architecture`."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from relgen.generation.backends.cache import RaggedCache
from relgen.generation.backends.draft_cache import DraftCache, shares_prompts
from relgen.models import random_texts


def decoding_difference(model: Any) -> Tensor:
    """Return how much logits after cached tokens differ from those of whole texts, (1 or 2, 3, V).

    Two prompts are read in parts, then three drafts of two tokens each are decoded in a copy of
    the prompt's row, and in one that drafts share where the architecture allows that.
    """
    prompts = random_texts(2, 15, 24)
    drafts = random_texts(3, 2)
    chains = [0, 1, 1]
    texts = [prompts[chain] + ids for chain, ids in zip(chains, drafts, strict=True)]
    whole = [model(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1] for ids in texts]
    cache, copies = (RaggedCache(model.config.get_text_config().num_hidden_layers) for _ in "ab")
    for start, end in ((0, 6), (6, None)):
        cache.append(model, (0, 1), [ids[start:end] for ids in prompts])
    copies.copy_rows(cache, chains)
    caches, decoded = [copies], []
    if shares_prompts(model, chains):
        caches.append(DraftCache(cache, chains))
    for decoding in caches:
        for step in range(2):
            found = decoding.append(model, range(3), [[ids[step]] for ids in drafts])
        decoded.append(found)
    return torch.stack(decoded) - torch.stack(whole)
