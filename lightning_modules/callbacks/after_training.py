"""Ends a classifier's training: loads the best weights, and fits what needs trained weights."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor

from relgen.classifiers import Batch
from relgen.common import InputError, is_whole_zip


class BestWeights(ModelCheckpoint):
    """Keeps the weights with the best micro-F1 on the validation file in `checkpoints/best.ckpt`.

    Of equally good ones, the latest. At the end of training they replace the last ones, in the
    module and in the checkpoint `last.ckpt`, so that saving and testing use the same weights.
    """

    def __init__(self, folder: str) -> None:
        super().__init__(
            dirpath=Path(folder) / "checkpoints",
            filename="best",
            monitor="val/micro_f1",
            mode="max",
            save_weights_only=True,
            save_on_train_epoch_end=False,
            enable_version_counter=False,
        )
        self.path = Path(folder) / "checkpoints" / "best.ckpt"

    def setup(self, trainer: Trainer, pl_module: Any, stage: str) -> None:
        """Move before the checkpoint callback, so that `last.ckpt` has this step's best weights."""
        super().setup(trainer, pl_module, stage)
        callbacks: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]
        callbacks.remove(self)
        callbacks.insert(0, self)

    def on_fit_start(self, trainer: Trainer, pl_module: Any) -> None:
        """Raise InputError without a validation file, or if a resumed run has lost its weights."""
        if not trainer.datamodule.files["validation"]:  # type: ignore[attr-defined]
            raise InputError(
                "`best` needs a validation file",
                field="model.select",
                value="best",
                remedy="give --data.validation FILE, or --model.select last",
            )
        if self.best_model_path and not is_whole_zip(self.path):
            raise InputError(
                "the best weights of the interrupted training are missing or damaged",
                path=self.path,
                remedy="--force trains again from the start",
            )

    def on_fit_end(self, trainer: Trainer, pl_module: Any) -> None:
        if self.best_model_path:
            best = torch.load(self.path, map_location="cpu", weights_only=False)
            pl_module.load_state_dict(best["state_dict"])
            save_last_again(trainer)

    def check_monitor_top_k(self, trainer: Trainer, current: Tensor | None = None) -> bool:
        if current is None or self.best_model_score is None:
            return super().check_monitor_top_k(trainer, current)
        return bool(current >= self.best_model_score)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the best score, also if the run's folder was moved."""
        super().load_state_dict({**state_dict, "dirpath": self.dirpath})


class FinishClassifier(Callback):
    """Finishes a classifier that learns after training, and saves the last checkpoint again.

    Every process reads all samples, so that all of them learn the same.
    """

    def on_fit_start(self, trainer: Trainer, pl_module: Any) -> None:
        """Raise InputError if settings would be chosen on test or training sentences."""
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        if pl_module.classifier.learns_after_training and (others := data.validation_overlap()):
            raise InputError(
                f"holds {others} sentences, and this classifier chooses settings on it",
                field="data.validation",
                value=data.files["validation"],
                remedy="hold samples out (relgen data split --dev full), or validate on no file",
            )

    def on_train_start(self, trainer: Trainer, pl_module: Any) -> None:
        """Discard what a finished checkpoint learnt after training, since weights will change."""
        pl_module.classifier.restart()

    def on_fit_end(self, trainer: Trainer, pl_module: Any) -> None:
        """Learn from the training samples and the validation file."""
        if not pl_module.classifier.learns_after_training:
            return
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        development = data.every_validation_sample()
        pl_module.classifier.finish(
            on_device(trainer, data.every_training_sample()),
            None if development is None else on_device(trainer, development),
        )
        save_last_again(trainer)

    def on_validation_start(self, trainer: Trainer, pl_module: Any) -> None:
        if trainer.state.fn != TrainerFn.FITTING:
            self.on_test_start(trainer, pl_module)

    def on_test_start(self, trainer: Trainer, pl_module: Any) -> None:
        if not pl_module.classifier.finished:
            raise InputError(
                "this classifier's training did not reach its end: its datastore is missing",
                field="ckpt_path",
                remedy="continue it with `relgen classifier fit … --resume`",
            )

    on_predict_start = on_test_start


def save_last_again(trainer: Trainer) -> None:
    """Write the last checkpoint again with the present weights, even if no step was trained."""
    for checkpoint in trainer.checkpoint_callbacks:
        if last := getattr(checkpoint, "last_model_path", ""):
            trainer.save_checkpoint(last)


def on_device(trainer: Trainer, batches: Any) -> Iterator[Batch]:
    """Yield batches on the trainer's device."""
    return (trainer.strategy.batch_to_device(batch) for batch in batches)
