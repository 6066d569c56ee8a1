"""Keeps `checkpoints/last.ckpt`, and ends a training on a signal with a checkpoint to resume from.

A checkpoint is saved between two steps only: after a step, the validation and the end of the epoch
that belong to it. Lightning's own are saved in the middle of these, and a run that resumes from one
leaves out, or repeats, what comes after.

SIGINT (Ctrl-C) and SIGTERM (sent before a machine is reclaimed) end the training. SIGUSR1 (which a
SLURM script can request before the job's time is up) makes Lightning save and requeue the job.
Lightning's own handlers act at once, even during a step or a collective operation. Here a handler
only sets a flag, on which the processes agree between two steps.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import Any

from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint, Timer
from lightning.pytorch.utilities.exceptions import SIGTERMException

from lightning_modules.utils.checkpoint_files import WholeFiles, remove_partial
from lightning_modules.utils.distributed import any_process
from lightning_modules.utils.loop_state import settle, within_epoch
from relgen.common import InputError

_KEY = "relgen_run"


class LastCheckpoint(Checkpoint):
    """Saves `last.ckpt` when the training is told to stop, and as often as it is asked to.

    After a save on SIGTERM the run exits with code 143, on SIGINT with KeyboardInterrupt; a second
    SIGINT does not wait for the save. On SIGUSR1, Lightning's handler (set under SLURM) runs after
    the save, and the training continues until the cluster ends it. SIGTERM is passed on to
    processes that Lightning started.

    Args:
        regularly: save after every validation and every epoch, and at the end, too.
        settings: settings of the run, to keep in its checkpoints.
    """

    def __init__(self, regularly: bool = False, settings: Mapping[str, Any] | None = None) -> None:
        self.regularly = regularly
        self.settings = dict(settings or {})
        self.last_model_path = ""
        self._noted: set[int] = set()
        self._before: dict[signal.Signals, Any] = {}
        self._due = False
        self._between_steps = True
        self._saved_step = 0
        self._said = False
        self._logged_steps: int | None = None
        self._speaks = True

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Make Lightning write checkpoints under another name and rename them when complete."""
        path = _path(trainer)
        if self.regularly:
            self.last_model_path = str(path)
        if type(trainer.strategy.checkpoint_io) is TorchCheckpointIO:
            trainer.strategy.checkpoint_io = WholeFiles()
        if stage == "fit" and trainer.is_global_zero:
            remove_partial(path)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Replace Lightning's handlers, which are set by now."""
        self._noted, self._due, self._saved_step = set(), False, 0
        self._between_steps = self._said = False
        self._step, self._stepped = trainer.global_step, True
        self._speaks = trainer.is_global_zero
        if threading.current_thread() is not threading.main_thread():
            return
        taken = [signal.SIGTERM]
        # shells start background processes with SIGINT ignored
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            taken.append(signal.SIGINT)
        if callable(signal.getsignal(signal.SIGUSR1)):
            taken.append(signal.SIGUSR1)
        self._before = {signum: signal.signal(signum, self._note) for signum in taken}

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Save if it is time to, unless gradients are being accumulated."""
        if self._logged_steps is not None:
            # Lightning counts one too many where validation has just run
            trainer.fit_loop.epoch_loop._batches_that_stepped = self._logged_steps
            self._logged_steps = None
        if self._stepped:
            self._save_or_stop(trainer, pl_module)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self._stepped, self._step = trainer.global_step != self._step, trainer.global_step

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._due = self.regularly and not trainer.sanity_checking

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._due = self.regularly

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save the end; exit if told to, so that nothing follows."""
        self._due = self.regularly
        self._save_or_stop(trainer, pl_module)
        self._give_back()
        self._save_or_stop(trainer, pl_module)  # if told to stop during the save
        self._between_steps = True

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        self._give_back()
        at_once = isinstance(exception, KeyboardInterrupt) and not self._said
        if at_once and trainer.is_global_zero:
            step = trainer.global_step
            print(
                f"stopped after step {step}, which is not saved"
                if step
                else "stopped before the first step",
                file=sys.stderr,
            )

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        callbacks: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]
        late = any(isinstance(one, Timer) and (one.time_remaining() or 0) <= 0 for one in callbacks)
        ends = trainer.should_stop and not late
        state: dict[str, Any] = {"settings": self.settings, "ends": ends, "logged_steps": None}
        state["processes"] = trainer.world_size
        if self._between_steps:
            settle(checkpoint["loops"]["fit_loop"], trainer.num_training_batches)
            state["logged_steps"] = trainer.fit_loop.epoch_loop._batches_that_stepped
        checkpoint[_KEY] = state

    def on_load_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        state = checkpoint.get(_KEY, {})
        before, now = state.get("processes"), trainer.world_size
        if trainer.training and before not in (None, now) and within_epoch(checkpoint["loops"]):
            raise InputError(
                f"this checkpoint is from the middle of an epoch, divided among {before} processes",
                field="trainer.devices",
                value=now,
                remedy=f"train on {before} to the end of the epoch, or start again with --force",
            )
        self._logged_steps = state.get("logged_steps")
        # a training that was stopped early is not gone on with
        trainer.should_stop = state.get("ends", False)

    def _save_or_stop(self, trainer: Trainer, pl_module: LightningModule) -> None:
        told: set[int] = set()
        if any_process(bool(self._noted), pl_module.device):
            known = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)
            told = {one for one in known if any_process(one in self._noted, pl_module.device)}
        step, path = trainer.global_step, _path(trainer)
        self._between_steps = True
        if (told or self._due) and step not in (0, self._saved_step):
            trainer.save_checkpoint(path)
            self._saved_step, self._due = step, False
        if signal.SIGUSR1 in told:
            self._before[signal.SIGUSR1](signal.SIGUSR1, None)
            self._noted.discard(signal.SIGUSR1)
        self._between_steps = False
        if told - {signal.SIGUSR1}:
            self._said = True
            if trainer.is_global_zero:
                kept = f": saved {path}" if step else ""
                print(f"stopped by a signal after step {step}{kept}", file=sys.stderr)
            raise SIGTERMException if signal.SIGTERM in told else KeyboardInterrupt

    def _note(self, signum: int, frame: FrameType | None) -> None:
        self._noted.add(signum)
        if signum == signal.SIGINT:
            signal.signal(signal.SIGINT, self._before.pop(signal.SIGINT))
            said = b"\nstopping after this step, with a checkpoint; Ctrl-C again does not wait\n"
            if self._speaks:
                # the signal may interrupt a print, which is not re-entrant
                os.write(2, said)

    def _give_back(self) -> None:
        for signum, handler in self._before.items():
            signal.signal(signum, handler)
        self._before = {}


def last_checkpoint(trainer: Trainer) -> list[Callback]:
    """Return the callback that a module adds to the trainer's, unless it is among them."""
    callbacks: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]
    found = any(isinstance(callback, LastCheckpoint) for callback in callbacks)
    return [] if found else [LastCheckpoint()]


def _path(trainer: Trainer) -> Path:
    return Path(trainer.default_root_dir) / "checkpoints" / "last.ckpt"
