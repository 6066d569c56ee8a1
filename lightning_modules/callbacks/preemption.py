"""Ends a training on a signal after the current step, with a checkpoint to resume from.

SIGINT (Ctrl-C) and SIGTERM (sent before a machine is reclaimed) end the training. SIGUSR1 (which a
SLURM script can request before the job's time is up) makes Lightning save and requeue the job.
Lightning's own handlers act at once, even during a step or a collective operation. Here a handler
only sets a flag, on which the processes agree after each step.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities.exceptions import SIGTERMException

from lightning_modules.utils.distributed import any_process


class SaveOnTermination(Callback):
    """Saves `checkpoints/last.ckpt` after the current step and ends the training.

    With code 143 on SIGTERM, with KeyboardInterrupt on SIGINT; a second SIGINT does not wait for
    the step. On SIGUSR1, Lightning's handler (set under SLURM) runs after the save, and the
    training continues until the cluster ends it. SIGTERM is passed on to processes that Lightning
    started.
    """

    def __init__(self) -> None:
        self._noted: set[int] = set()
        self._leave: type[BaseException] | None = None
        self._before: dict[signal.Signals, Any] = {}
        self._step = -1
        self._speaks = True

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Replace Lightning's handlers, which are set by now."""
        self._clear()
        self._step, self._speaks = trainer.global_step, trainer.is_global_zero
        if threading.current_thread() is not threading.main_thread():
            return
        taken = [signal.SIGTERM]
        # shells start background processes with SIGINT ignored
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            taken.append(signal.SIGINT)
        if callable(signal.getsignal(signal.SIGUSR1)):
            taken.append(signal.SIGUSR1)
        self._before = {signum: signal.signal(signum, self._note) for signum in taken}

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save after an optimiser step, not while gradients are being accumulated."""
        stepped, self._step = trainer.global_step != self._step, trainer.global_step
        if not stepped or not any_process(bool(self._noted), pl_module.device):
            return
        path = _last_checkpoint(trainer)
        trainer.save_checkpoint(path)
        if trainer.is_global_zero:
            said = f"received a stop signal: saved {path} after step {self._step}"
            print(f"{said}; continue with --resume", file=sys.stderr)
        if any_process(signal.SIGTERM in self._noted, pl_module.device):
            self._leave = SIGTERMException
        elif any_process(signal.SIGINT in self._noted, pl_module.device):
            self._leave = KeyboardInterrupt
        if any_process(signal.SIGUSR1 in self._noted, pl_module.device):
            self._before[signal.SIGUSR1](signal.SIGUSR1, None)
            self._noted.discard(signal.SIGUSR1)

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Exit only now: the metrics of the saved step are written after its end."""
        if self._leave is not None:
            raise self._leave

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Exit if the saved step was the last of its epoch."""
        if self._leave is not None:
            raise self._leave

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._give_back()

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        self._give_back()
        self._clear()

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Raise KeyboardInterrupt if interrupted after the last step, so that nothing follows."""
        interrupted = signal.SIGINT in self._noted
        self._clear()
        if interrupted:
            raise KeyboardInterrupt

    def _note(self, signum: int, frame: FrameType | None) -> None:
        self._noted.add(signum)
        if signum == signal.SIGINT:
            signal.signal(signal.SIGINT, self._before.pop(signal.SIGINT))
            said = b"\nstopping after this step, with a checkpoint; Ctrl-C again does not wait\n"
            if self._speaks:
                # the signal may interrupt a print, which is not re-entrant
                os.write(2, said)

    def _clear(self) -> None:
        self._noted, self._leave = set(), None

    def _give_back(self) -> None:
        for signum, handler in self._before.items():
            signal.signal(signum, handler)
        self._before = {}


def _last_checkpoint(trainer: Trainer) -> Path:
    """Return the file that `--ckpt_path last` looks for."""
    folder = getattr(trainer.checkpoint_callback, "dirpath", None)
    return Path(folder or Path(trainer.default_root_dir) / "checkpoints") / "last.ckpt"
