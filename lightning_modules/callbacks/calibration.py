"""Calibrates a classifier after training: on the validation file, or by cross-validation."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer
from torch import Tensor

from lightning_modules.callbacks.after_training import on_device, save_last_again
from relgen.classifiers import Batch, calibrate, weights_hash
from relgen.common import InputError, append_line, encode_json, resume_log, text_hash

_LOG = logging.getLogger(__name__)


class CalibrateClassifier(Callback):
    """Fits temperature and thresholds on samples that the weights were not trained on.

    With `calibration_folds` these are the human samples: as many classifiers are trained, each
    without a part of them. Otherwise it is the validation file, if there is one. Every process
    computes the same.
    """

    def on_fit_start(self, trainer: Trainer, pl_module: Any) -> None:
        """Raise InputError if the human samples cannot be divided."""
        folds, data = pl_module.calibration_folds, trainer.datamodule  # type: ignore[attr-defined]
        problem = None
        if folds == 1:
            problem, remedy = "one part leaves nothing to train on", "set it to 2 or more"
        elif folds and trainer.world_size > 1:
            problem, remedy = "works in one process only", "calibrate on --data.validation FILE"
        elif folds and not data.can_fold(folds):
            problem = "there are too few human samples to leave a part of them out"
            remedy = "set it to 0, or calibrate on --data.validation FILE"
        if problem:
            raise InputError(problem, field="model.calibration_folds", value=folds, remedy=remedy)

    def on_fit_end(self, trainer: Trainer, pl_module: Any) -> None:
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        pl_module.classifier.temperature.fill_(1.0)
        if folds := pl_module.calibration_folds:
            logits, labels = _cross_validated(trainer, pl_module, folds)
            source = f"human samples, by {folds}-fold cross-validation"
        elif (batches := data.every_validation_sample()) is not None:
            if others := data.validation_overlap():
                _LOG.warning("not calibrated: the validation file holds %s sentences", others)
                return
            logits, labels = _logits(pl_module, on_device(trainer, batches))
            source = "the validation file"
        else:
            return
        pl_module.calibration = calibrate(pl_module.classifier, logits, labels, source)
        save_last_again(trainer)


def _cross_validated(trainer: Trainer, module: Any, folds: int) -> tuple[Tensor, Tensor]:
    """Return logits (N, R) and labels (N,) of the human samples, each from a fold without it.

    A file beside the checkpoints keeps finished folds for a run that is stopped.
    """
    data: Any = trainer.datamodule  # type: ignore[attr-defined]
    path = Path(trainer.default_root_dir) / ".calibration.partial"
    # the weights stand for what they were trained with: encoder, optimizer, seed, steps
    weights = weights_hash(module.classifier.state_dict())
    header = text_hash(encode_json([folds, data.describe(), module.hyperparameters(), weights]))
    found = resume_log(path, header, force=True)
    for fold in range(len(found), folds):
        print(f"calibrating: training {fold + 1} of {folds}", file=sys.stderr)
        part, again = data.fold(fold, folds), module.again()
        _fold_trainer(trainer).fit(again, datamodule=part)
        logits, labels = _logits(again, part.every_held_out_sample())
        found.append([logits.tolist(), labels.tolist()])
        append_line(path, found[-1])
    path.unlink()
    rows = [row for logits, _ in found for row in logits]
    return torch.tensor(rows), torch.tensor([label for _, labels in found for label in labels])


def _fold_trainer(trainer: Trainer) -> Trainer:
    """Return a trainer that trains as long and in the same way, and writes nothing."""
    device = trainer.strategy.root_device
    return Trainer(
        accelerator="cpu" if device.type == "cpu" else "auto",
        devices=1 if device.index is None else [device.index],
        max_steps=trainer.max_steps,
        max_epochs=trainer.max_epochs,
        precision=trainer.precision,
        gradient_clip_val=trainer.gradient_clip_val,
        accumulate_grad_batches=trainer.accumulate_grad_batches,
        use_distributed_sampler=False,
        default_root_dir=trainer.default_root_dir,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        limit_val_batches=0,
    )


@torch.no_grad()
def _logits(module: Any, batches: Iterable[Batch]) -> tuple[Tensor, Tensor]:
    """Return logits (N, R) and labels (N,) of all batches' samples."""
    was_training = module.training
    module.eval()
    parts = [(module(batch).float().cpu(), batch.labels.cpu()) for batch in batches]
    module.train(was_training)
    logits, labels = zip(*parts, strict=True)
    return torch.cat(logits), torch.cat(labels)
