"""SIGTERM ends a training cleanly: after the step, with a checkpoint to go on from.

Clusters send it before they take a machine away. Lightning's own handler talks to the other
processes from inside the handler, where one may be in the middle of another exchange, and saves
nothing. Here the handler only raises a flag; the processes agree on it after each batch.
"""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from types import FrameType
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_info
from lightning.pytorch.utilities.exceptions import SIGTERMException

from lightning_modules.processes import any_process


class SaveOnTermination(Callback):
    """Saves `checkpoints/last.ckpt` once the step after SIGTERM is done, and leaves with code 143.

    A process that Lightning started is told by the one that started it.
    """

    def __init__(self) -> None:
        self._asked = self._saved = False
        self._before: Any = None
        self._step = -1

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Takes the signal over from Lightning, which has set its own handler by now."""
        self._asked = self._saved = False
        self._step = trainer.global_step
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGTERM, self._note)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Between two optimiser steps: what has been accumulated would be lost."""
        stepped, self._step = trainer.global_step != self._step, trainer.global_step
        if not stepped or not any_process(self._asked, pl_module.device):
            return
        path = _last_checkpoint(trainer)
        trainer.save_checkpoint(path)
        rank_zero_info(f"SIGTERM: saved {path}")
        self._saved = True

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Leaves only now: what the saved step logged is written after its end."""
        if self._saved:
            raise SIGTERMException

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The same, where the step was its epoch's last."""
        if self._saved:
            raise SIGTERMException

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._give_back()

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        self._give_back()

    def _note(self, signum: int, frame: FrameType | None) -> None:
        self._asked = True

    def _give_back(self) -> None:
        if self._before is not None:
            signal.signal(signal.SIGTERM, self._before)
            self._before = None


def _last_checkpoint(trainer: Trainer) -> Path:
    """Where `--ckpt_path last` looks."""
    folder = getattr(trainer.checkpoint_callback, "dirpath", None)
    return Path(folder or Path(trainer.default_root_dir) / "checkpoints") / "last.ckpt"
