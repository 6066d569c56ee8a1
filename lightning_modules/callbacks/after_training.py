"""What a classifier learns once its weights are trained, such as a datastore of samples."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn

from relgen.classifiers import Batch, LearnsAfterTraining
from relgen.common import InputError


class FinishClassifier(Callback):
    """Lets a `LearnsAfterTraining` finish, and saves the last checkpoint again with what it learnt.

    Every process reads all samples, so that all of them learn the same. Nothing happens to other
    classifiers.
    """

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Raises InputError when settings would be chosen on test or training sentences."""
        if _classifier(pl_module) is None:
            return
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        for shares, others in (
            (data.validates_on_test, "test"),
            (data.validates_on_training, "training"),
        ):
            if shares:
                raise InputError(
                    f"holds {others} sentences, and this classifier chooses settings on it",
                    field="data.validation",
                    value=data.files["validation"],
                    remedy="hold training samples out (relgen data split --dev), or leave it out",
                )

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """A training that goes on from a finished checkpoint makes that part out of date."""
        classifier = _classifier(pl_module)
        if classifier is not None:
            classifier.restart()

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Reads the training samples, and the validation file's where there is one."""
        classifier = _classifier(pl_module)
        if classifier is None:
            return
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        development = data.every_validation_sample()
        classifier.finish(
            _on_device(trainer, data.every_training_sample()),
            None if development is None else _on_device(trainer, development),
        )
        save_last_again(trainer)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Raises InputError for an unfinished checkpoint."""
        if trainer.state.fn != TrainerFn.FITTING:
            _check(pl_module)

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Raises InputError for an unfinished checkpoint."""
        _check(pl_module)

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Raises InputError for an unfinished checkpoint."""
        _check(pl_module)


def save_last_again(trainer: Trainer) -> None:
    """Writes the last checkpoint once more, with the weights as they are now.

    A training of no steps has written none.
    """
    for checkpoint in trainer.checkpoint_callbacks:
        last = getattr(checkpoint, "last_model_path", "")
        if not last and getattr(checkpoint, "save_last", False) and trainer.global_step == 0:
            last = f"{getattr(checkpoint, 'dirpath', '')}/last.ckpt"
        if last:
            trainer.save_checkpoint(last)


def _on_device(trainer: Trainer, batches: Any) -> Iterator[Batch]:
    return (trainer.strategy.batch_to_device(batch) for batch in batches)


def _classifier(pl_module: LightningModule) -> LearnsAfterTraining | None:
    classifier = getattr(pl_module, "classifier", None)
    return classifier if isinstance(classifier, LearnsAfterTraining) else None


def _check(pl_module: LightningModule) -> None:
    classifier = _classifier(pl_module)
    if classifier is not None and not classifier.finished:
        raise InputError(
            "this classifier's training did not reach its end: its datastore is missing",
            field="ckpt_path",
            remedy="go on with `relgen classifier fit … --resume`",
        )
