"""Speed and memory of a training, for the user's loggers.

`history.jsonl` does not hold them, since it must depend on the seed only. Lightning's
ThroughputMonitor would write there, and assumes batches of one size.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from lightning_modules.callbacks.loggers import write_numbers

_GIB = 1 << 30


class Speed(Callback):
    """Logs this process's throughput, and on a GPU the peak of its memory.

        speed/tokens_per_second   speed/pairs_per_second   memory/peak_gib   memory/reserved_gib

    Every `trainer.log_every_n_steps` steps, over these steps without validation.

    Args:
        counts: returns the contents of a batch, such as `{"tokens": 840, "pairs": 7}`.
    """

    def __init__(self, counts: Callable[[Any], dict[str, int]]) -> None:
        self._counts = counts
        self._seen: dict[str, int] = {}
        self._started = 0.0
        self._paused = 0.0
        self._step = 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._begin(trainer)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._paused = time.perf_counter()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._started += time.perf_counter() - self._paused

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        for name, count in self._counts(batch).items():
            self._seen[name] = self._seen.get(name, 0) + count
        every: int = trainer.log_every_n_steps  # type: ignore[attr-defined]
        if trainer.global_step - self._step < every:
            return
        values = {}
        if pl_module.device.type == "cuda":
            device = pl_module.device
            torch.cuda.synchronize(device)
            values["memory/peak_gib"] = torch.cuda.max_memory_allocated(device) / _GIB
            values["memory/reserved_gib"] = torch.cuda.max_memory_reserved(device) / _GIB
        seconds = max(time.perf_counter() - self._started, 1e-9)
        values |= {f"speed/{name}_per_second": n / seconds for name, n in self._seen.items()}
        write_numbers(trainer, values)
        self._begin(trainer)

    def _begin(self, trainer: Trainer) -> None:
        self._seen, self._step, self._started = {}, trainer.global_step, time.perf_counter()
