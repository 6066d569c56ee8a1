"""Makes dropout depend on the seed and the batch alone."""

from __future__ import annotations

import random
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer


class StepSeeds(Callback):
    """Seeds torch before each batch, from the run's seed, the batch's number and the process.

    A resumed run then draws the numbers of one that was never stopped, on every process, whatever
    else has drawn some: loaders, validation, logged samples.
    """

    def __init__(self) -> None:
        self._seed: int | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self._seed is None:
            self._seed = torch.initial_seed()

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        name = f"{self._seed}/{trainer.fit_loop.total_batch_idx}/{trainer.global_rank}"
        torch.manual_seed(random.Random(name).getrandbits(63))

    def state_dict(self) -> dict[str, Any]:
        return {"seed": self._seed}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._seed = state_dict["seed"]
