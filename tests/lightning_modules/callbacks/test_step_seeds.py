from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch

from lightning_modules.callbacks.step_seeds import StepSeeds


def drawn(seeds: StepSeeds, batch: int, rank: int = 0) -> list[float]:
    trainer: Any = SimpleNamespace(
        fit_loop=SimpleNamespace(total_batch_idx=batch), global_rank=rank
    )
    module: Any = None
    seeds.on_train_start(trainer, module)
    seeds.on_train_batch_start(trainer, module, None, 0)
    return torch.rand(4).tolist()


def test_what_a_step_draws_depends_on_the_seed_the_batch_and_the_process() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        first = StepSeeds()
        wanted = drawn(first, 3)
        torch.rand(5)
        assert drawn(first, 3) == wanted
        assert drawn(first, 4) != wanted
        assert drawn(first, 3, rank=1) != wanted
        torch.manual_seed(8)
        assert drawn(StepSeeds(), 3) != wanted
        resumed = StepSeeds()
        resumed.load_state_dict(first.state_dict())
        assert drawn(resumed, 3) == wanted
