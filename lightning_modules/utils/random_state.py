"""The random state of torch as tensors, so that a checkpoint loads with `weights_only`."""

from __future__ import annotations

from typing import Any

import torch


def random_state() -> dict[str, Any]:
    """Return this process's state, `{"cpu": (bytes,), "cuda": [(bytes,), …]}`."""
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    return {"cpu": torch.get_rng_state(), "cuda": cuda}


def set_random_state(state: dict[str, Any], rank: int) -> None:
    """Restore the state of the first process, the only one in a checkpoint.

    Other processes (rank > 0) are seeded from the state and their rank, so that they do not repeat
    the first one's dropout.
    """
    if rank:
        torch.manual_seed(int(state["cpu"].long().sum()) * 1000 + rank)
        return
    torch.set_rng_state(state["cpu"].cpu())
    if state["cuda"] and len(state["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all([part.cpu() for part in state["cuda"]])
