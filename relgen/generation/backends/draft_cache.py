"""A key/value cache in which several drafts of a chain share one copy of their prompt.

`relgen.kernels.SharedPrompts` computes their attention. Half precision and GPUs are left out: they
have fast kernels of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from relgen.generation.backends.cache import RaggedCache
from relgen.kernels import ATTENTION, ScoreOptions, SharedPrompts, in_use
from relgen.models import random_texts


def may_share(device: torch.device, dtype: torch.dtype) -> bool:
    """Return True if drafts share prompts at all on this device and in this dtype."""
    exact = dtype in (torch.float32, torch.float64)
    return in_use("drafts") and exact and device.type == "cpu"


def shares_prompts(model: Any, rows: Sequence[int]) -> bool:
    """Return True if a `DraftCache` supports this model and saves copies of these drafts' rows."""
    ours = model.config._attn_implementation == ATTENTION
    plain = may_share(model.device, model.dtype) and not torch.is_autocast_enabled("cpu")
    text = model.config.get_text_config()
    # multi-head latent attention caches other tensors than it attends to
    latent = hasattr(text, "kv_lora_rank")
    special = ("attn_logit_softcapping", "sliding_window")
    scores = any(getattr(text, name, None) for name in special)
    return ours and plain and not latent and not scores and len(set(rows)) < len(rows)


class DraftCache(RaggedCache):
    """The cache of the drafts' own tokens, in a batch of drafts of equal length.

    Args:
        prompts: the prompts of C chains; this cache modifies them from now on.
        chains: the prompt row of each of the B drafts; every row has at least one.
    """

    def __init__(self, prompts: RaggedCache, chains: Sequence[int]) -> None:
        super().__init__(len(prompts.layers))
        self.lengths = [0] * len(chains)
        self._prompts = prompts
        self._chains = list(chains)
        self._arrange()

    def options(self, config: Any, positions: Tensor, length: int) -> dict[str, Any]:
        return {"attend": self.attend}

    def place(
        self, rows: Sequence[int], counts: Sequence[int], device: torch.device
    ) -> tuple[Tensor, Tensor]:
        """Prepare a forward pass over the next token of each draft."""
        slots, _ = super().place(rows, counts, device)
        starts = torch.tensor([self._prompts.lengths[chain] for chain in self._chains])
        # the mask keeps transformers from building one; `attend` does not read it
        return slots + starts[:, None], torch.ones(1, 1, 1, 1, dtype=torch.bool)

    def drop(self, row: int) -> None:
        """Remove a draft, and its chain with the chain's last draft; last entries fill the gaps."""
        if self.ragged[0].is_initialized:
            super().drop(row)
        else:
            self.lengths.pop()
        chain = self._chains[row]
        self._chains[row] = self._chains[-1]
        self._chains.pop()
        if chain not in self._chains:
            last = len(self._prompts.lengths) - 1
            self._prompts.drop(chain)
            self._chains = [chain if other == last else other for other in self._chains]
        if self._chains:
            self._arrange()

    def attend(
        self, layer: int, query: Tensor, key: Tensor, value: Tensor, scores: ScoreOptions
    ) -> Tensor:
        """Return the attention of each draft, as `SharedPrompts.attend` describes it."""
        prompts = self._prompts.ragged[layer].held()
        return self.shared.attend(query, key, value, prompts, scores.scale)

    def _arrange(self) -> None:
        dtype = self._prompts.ragged[0].dtype
        self.shared = SharedPrompts(self._chains, self._prompts.lengths, dtype)


def decoding_difference(model: Any, *, shared: bool = True) -> Tensor:
    """Return how much logits after cached tokens differ from those of whole texts, (1 or 2, 3, V).

    Two prompts are read in parts, then three drafts of two tokens each are decoded in a copy of
    the prompt's row, and in one that drafts share where the architecture allows that, unless no
    draft will (`may_share`). For `relgen.models.check_architecture`.
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
    if shared and shares_prompts(model, chains):
        caches.append(DraftCache(cache, chains))
    for decoding in caches:
        for step in range(2):
            found = decoding.append(model, range(3), [[ids[step]] for ids in drafts])
        decoded.append(found)
    return torch.stack(decoded) - torch.stack(whole)
