"""Speed and memory of a training, in the user's loggers.

Not in `history.jsonl`, which is the same for the same seed; nor from Lightning's ThroughputMonitor,
which logs into it and takes every batch to be of one size.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from lightning_modules.boards import write_numbers

_GIB = 1 << 30


class Speed(Callback):
    """Logs what passed through the model a second, and on a GPU the most memory it took.

        speed/tokens_per_second   speed/pairs_per_second   memory/peak_gib   memory/reserved_gib

    Over the steps since the last time, every `trainer.log_every_n_steps`; validation and saving in
    between do not count. Of this process: with several devices, each has about as much.

    Args:
        counts: of a batch: names and how many, such as `{"tokens": 840, "pairs": 7}`.
    """

    def __init__(self, counts: Callable[[Any], dict[str, int]]) -> None:
        self._counts = counts
        self._seen: dict[str, int] = {}
        self._seconds = 0.0
        self._started = 0.0
        self._step = 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._seen, self._seconds, self._step = {}, 0.0, trainer.global_step

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        self._started = time.perf_counter()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        for name, count in self._counts(batch).items():
            self._seen[name] = self._seen.get(name, 0) + count
        every: int = trainer.log_every_n_steps  # type: ignore[attr-defined]
        due = trainer.global_step - self._step >= every
        if due and pl_module.device.type == "cuda":
            torch.cuda.synchronize(pl_module.device)
        self._seconds += time.perf_counter() - self._started
        if not due:
            return
        seconds = max(self._seconds, 1e-9)
        values = {f"speed/{name}_per_second": n / seconds for name, n in self._seen.items()}
        if pl_module.device.type == "cuda":
            device = pl_module.device
            values["memory/peak_gib"] = torch.cuda.max_memory_allocated(device) / _GIB
            values["memory/reserved_gib"] = torch.cuda.max_memory_reserved(device) / _GIB
        write_numbers(trainer, values)
        self._seen, self._seconds, self._step = {}, 0.0, trainer.global_step
