"""Change a classifier at the end of training: load the best weights, learn the last parts."""

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


class BestWeights(Callback):
    """Keeps the weights with the best micro-F1 on the validation file in `checkpoints/best.ckpt`.

    At the end of training they replace the last ones, in the module and in the checkpoint
    `last.ckpt`, so that saving and testing use the same weights.
    """

    def __init__(self) -> None:
        self._checkpoint: ModelCheckpoint | None = None

    @property
    def score(self) -> float | None:
        """The best micro-F1 so far; None before the first validation."""
        best = self._checkpoint.best_model_score if self._checkpoint else None
        return None if best is None else float(best)

    def setup(self, trainer: Trainer, pl_module: Any, stage: str) -> None:
        if stage != "fit" or self._checkpoint is not None:
            return
        self._checkpoint = _LatestBest(
            dirpath=Path(trainer.default_root_dir) / "checkpoints",
            filename="best",
            monitor="val/micro_f1",
            mode="max",
            save_weights_only=True,
            save_on_train_epoch_end=False,
            enable_version_counter=False,
        )
        # before the trainer's own, so that `last.ckpt` records the best weights of the same step;
        # one that `configure_callbacks` returns would replace the trainer's own
        callbacks: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]
        callbacks.insert(callbacks.index(self) + 1, self._checkpoint)

    def on_fit_start(self, trainer: Trainer, pl_module: Any) -> None:
        """Raise InputError without a validation file, or if a resumed run has lost its weights."""
        if not trainer.datamodule.files["validation"]:  # type: ignore[attr-defined]
            raise InputError(
                "`best` needs a validation file",
                field="model.select",
                value="best",
                remedy="give --data.validation FILE, or --model.select last",
            )
        assert self._checkpoint is not None
        path = self._checkpoint.best_model_path
        if path and not is_whole_zip(path):
            raise InputError(
                "the best weights of the interrupted training are missing or damaged",
                path=path,
                remedy="--force trains again from the start",
            )

    def on_fit_end(self, trainer: Trainer, pl_module: Any) -> None:
        assert self._checkpoint is not None
        if path := self._checkpoint.best_model_path:
            best = torch.load(path, map_location="cpu", weights_only=False)
            pl_module.load_state_dict(best["state_dict"])
            save_last_again(trainer)


class _LatestBest(ModelCheckpoint):
    """A ModelCheckpoint that keeps the latest of equally good weights."""

    def check_monitor_top_k(self, trainer: Trainer, current: Tensor | None = None) -> bool:
        if current is None or self.best_model_score is None:
            return super().check_monitor_top_k(trainer, current)
        return bool(current >= self.best_model_score)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore score and paths, the latter in this run's folder: it may have been moved."""

        def here(path: str) -> str:
            return str(Path(self.dirpath or "") / Path(path).name) if path else path

        paths = {
            name: here(state_dict.get(name, ""))
            for name in ("best_model_path", "kth_best_model_path", "last_model_path")
        }
        models = {here(path): score for path, score in state_dict["best_k_models"].items()}
        super().load_state_dict(
            {**state_dict, **paths, "best_k_models": models, "dirpath": self.dirpath}
        )


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
                remedy="hold samples out (relgen data split --dev), or give no validation file",
            )

    def on_train_start(self, trainer: Trainer, pl_module: Any) -> None:
        """Discard what a finished checkpoint has learnt: the weights are about to change."""
        pl_module.classifier.restart()

    def on_fit_end(self, trainer: Trainer, pl_module: Any) -> None:
        """Learn from the training samples and the validation file."""
        if not pl_module.classifier.learns_after_training:
            return
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        development = data.every_validation_sample()
        pl_module.classifier.finish(
            _on_device(trainer, data.every_training_sample()),
            None if development is None else _on_device(trainer, development),
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
        last = getattr(checkpoint, "last_model_path", "")
        if not last and getattr(checkpoint, "save_last", False) and trainer.global_step == 0:
            last = f"{getattr(checkpoint, 'dirpath', '')}/last.ckpt"
        if last:
            trainer.save_checkpoint(last)


def _on_device(trainer: Trainer, batches: Any) -> Iterator[Batch]:
    return (trainer.strategy.batch_to_device(batch) for batch in batches)
