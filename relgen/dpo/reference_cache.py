"""A cache of log-probabilities under the reference, which is constant: each chain runs once."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from relgen.dpo.logps import PairLogProbabilities
from relgen.dpo.prefix_tree import TreeBatch


class ReferenceCache:
    """Maps a tree's key (a hash of its tokens) to the log-probabilities of its pairs.

    Args:
        model: name of the reference; a saved state with another name is ignored.
    """

    def __init__(self, model: str) -> None:
        self._model = model
        self._kept: dict[str, Tensor] = {}

    def get(self, batch: TreeBatch) -> PairLogProbabilities | None:
        """Return a batch's values on its device; None if any tree is missing."""
        if not all(key in self._kept for key in batch.keys):
            return None
        values = torch.cat([self._kept[key] for key in batch.keys], dim=1)  # (2, B)
        chosen, rejected = values.to(batch.input_ids.device)
        return PairLogProbabilities(chosen, rejected)

    def put(self, batch: TreeBatch, values: PairLogProbabilities) -> None:
        """Keep a batch's values on the CPU, without replacing those of known trees."""
        stacked = torch.stack(values).detach().cpu()  # (2, B)
        trees = stacked.split(batch.pairs_per_tree, dim=1)
        for key, tree in zip(batch.keys, trees, strict=True):
            self._kept.setdefault(key, tree.clone())

    def state_dict(self) -> dict[str, Any]:
        """Return tensors and strings only, so that a checkpoint loads with `weights_only`."""
        return {"model": self._model, "values": dict(self._kept)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Load a saved state, unless it was made with another model."""
        if state["model"] == self._model:
            self._kept = dict(state["values"])
