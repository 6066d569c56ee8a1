"""A key/value cache in which several drafts of a chain share one copy of their prompt.

Decoding is bound by memory bandwidth. With one copy of the prompt per draft, attention reads them
all. Here the drafts of a chain attend to one copy in a single product, and separately to their own
tokens. Both parts are combined as in flash decoding, by their maximum and sum (Milakov and
Gimelshein, arXiv 1805.02867; Juravsky et al., arXiv 2402.05099).

Half precision and GPUs are left out: they have fast kernels of their own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from relgen.generation.backends.cache import RaggedCache
from relgen.kernels import ATTENTION
from relgen.models import random_texts

_LOG2_E = math.log2(math.e)


def shares_prompts(model: Any, rows: Sequence[int]) -> bool:
    """Return True if a `DraftCache` supports this model and saves copies of these drafts' rows."""
    ours = model.config._attn_implementation == ATTENTION
    exact = model.dtype in (torch.float32, torch.float64)
    plain = model.device.type == "cpu" and not torch.is_autocast_enabled("cpu")
    # multi-head latent attention caches other tensors than it attends to
    latent = hasattr(model.config.get_text_config(), "kv_lora_rank")
    return ours and exact and plain and not latent and len(set(rows)) < len(rows)


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

    @property
    def options(self) -> dict[str, Any]:
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
        self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float | None
    ) -> Tensor:
        """Return the attention of each draft to its chain's prompt and to its own tokens.

        `query` is (B, H, 1, D), H a multiple of G; `key` and `value` of the drafts' own tokens are
        (B, G, T, D). The scale of the scores is 1/√D when None. Returns (B, 1, H, D).
        """
        drafts, heads, _, width = query.shape
        groups = key.shape[1]
        rows = query.view(drafts, groups, -1, width)  # (B, G, H/G, D)
        rows = rows * ((1 / math.sqrt(width) if scale is None else scale) * _LOG2_E)
        # drafts grouped by chain: (C · G, M · H/G, D)
        chains, most = self._grid.shape
        together = rows[self._grid].transpose(1, 2).reshape(chains * groups, -1, width)
        length = self._hidden.shape[-1]
        keys, values = (
            states[:chains, :, :length].flatten(0, 1)
            for states in self._prompts.ragged[layer].held()
        )
        hidden = self._hidden.repeat_interleave(groups, 0)
        parts = _attend(torch.baddbmm(hidden, together, keys.mT), values)
        read = (
            part.view(chains, groups, most, heads // groups, -1).transpose(1, 2).flatten(0, 1)
            for part in parts
        )
        output, highest, total = (part[self._flat] for part in read)  # (B, G, H/G, …)
        parts = _attend(torch.bmm(rows.flatten(0, 1), key.flatten(0, 1).mT), value.flatten(0, 1))
        own = (part.view(drafts, groups, heads // groups, -1) for part in parts)
        own_output, own_highest, own_total = own
        top = torch.maximum(highest, own_highest)
        less, own_less = (highest - top).exp2_(), (own_highest - top).exp2_()
        output = output.mul_(less).add_(own_output.mul_(own_less))
        output = output.div_(total.mul_(less).add_(own_total.mul_(own_less)))
        return output.view(drafts, 1, heads, width)

    def _arrange(self) -> None:
        """Group the drafts by chain, and mask the slots beyond each prompt's length."""
        members: list[list[int]] = [[] for _ in self._prompts.lengths]
        for place, chain in enumerate(self._chains):
            members[chain].append(place)
        most = max(map(len, members))
        # short rows repeat a draft; the second result is ignored
        self._grid = torch.tensor([(own * most)[:most] for own in members])  # (C, M)
        self._flat = torch.empty(len(self._chains), dtype=torch.long)  # (B,), places in the grid
        for chain, own in enumerate(members):
            self._flat[own] = chain * most + torch.arange(len(own))
        lengths = torch.tensor(self._prompts.lengths)[:, None, None]
        slots = torch.arange(int(lengths.max()))
        zeros = torch.zeros(slots.shape, dtype=self._prompts.ragged[0].dtype)
        self._hidden = zeros.where(slots < lengths, -math.inf)


def _attend(scores: Tensor, values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return one part of a softmax attention, to base 2; the scores (N, R, L) are overwritten.

    It is the sum (N, R, D) of the values (N, L, D), weighted by 2^(score - highest), the highest
    score and the sum of the weights, both (N, R, 1).
    """
    highest = scores.amax(-1, keepdim=True)
    weights = scores.sub_(highest).exp2_()
    return torch.bmm(weights, values), highest, weights.sum(-1, keepdim=True)


def decoding_difference(model: Any) -> Tensor:
    """Return how much logits after cached tokens differ from those of whole texts, (1 or 2, 3, V).

    Two prompts are read in parts, then three drafts of two tokens each are decoded in a copy of
    the prompt's row, and in one that drafts share where the architecture allows that. For
    `relgen.models.check_architecture`.
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
