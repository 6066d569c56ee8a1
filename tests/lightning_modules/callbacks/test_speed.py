"""Throughput of a training, for the loggers."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from lightning_modules.callbacks import speed


def test_throughput_is_that_of_the_steps_without_validation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now, written = [100.0], []
    monkeypatch.setattr(speed.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(speed, "write_numbers", lambda trainer, values: written.append(values))
    trainer: Any = SimpleNamespace(global_step=0, log_every_n_steps=2)
    module: Any = SimpleNamespace(device=torch.device("cpu"))
    callback = speed.Speed(lambda batch: {"tokens": batch})
    callback.on_train_start(trainer, module)
    for step, tokens in enumerate((10, 30), start=1):
        callback.on_validation_start(trainer, module)
        now[0] += 50.0
        callback.on_validation_end(trainer, module)
        now[0] += 2.0
        trainer.global_step = step
        callback.on_train_batch_end(trainer, module, None, tokens, step)
    assert written == [{"speed/tokens_per_second": 10.0}]
