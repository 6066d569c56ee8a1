"""A datastore of training samples, which is saved and loaded with the weights around it."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn


class Retrieval(NamedTuple):
    """How neighbours are used: λ, k and T of `relgen.classifiers.retrieval_scores`."""

    interpolation: float
    neighbours: int
    temperature: float


class Datastore(nn.Module):
    """N keys and what they stand for; empty at first.

    Args:
        size: H, of a key.
        relations: R.

    Shapes: `keys` (N, H); `values` (N, R) the probabilities of the samples' relations; `settings`
    (3,) the `Retrieval`. A state of any N can be loaded.
    """

    keys: Tensor
    values: Tensor
    settings: Tensor

    def __init__(self, size: int, relations: int) -> None:
        super().__init__()
        self.register_buffer("keys", torch.empty(0, size))
        self.register_buffer("values", torch.empty(0, relations))
        self.register_buffer("settings", torch.zeros(3))

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def retrieval(self) -> Retrieval:
        """The settings, as numbers."""
        weight, count, temperature = self.settings.tolist()
        return Retrieval(round(weight, 6), round(count), round(temperature, 6))

    def fill(self, keys: Tensor, values: Tensor, retrieval: Retrieval) -> None:
        """Takes the place of whatever was stored: `keys` (N, H), `values` (N, R)."""
        self.keys, self.values = keys, values
        self.settings = torch.tensor(retrieval, dtype=torch.float32, device=keys.device)

    def clear(self) -> None:
        """Forgets everything."""
        keys, values = (part.new_empty(0, part.shape[1]) for part in (self.keys, self.values))
        self.fill(keys, values, Retrieval(0.0, 0, 0.0))

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, *arguments: Any
    ) -> None:
        for name, buffer in self.named_buffers(recurse=False):
            saved = state_dict.get(prefix + name)
            if saved is not None and saved.shape[1:] == buffer.shape[1:]:
                setattr(self, name, buffer.new_empty(saved.shape))
        super()._load_from_state_dict(state_dict, prefix, *arguments)
