"""Trains a relation classifier on human samples, generated ones, or both.

The architecture is an argument; relations and batches come from the data module.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Literal, cast

import torch
import torch.nn.functional as F
from lightning import Callback, LightningModule
from lightning.pytorch.cli import OptimizerCallable
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torchmetrics.classification import MulticlassConfusionMatrix
from transformers import get_linear_schedule_with_warmup

from lightning_modules.callbacks.after_training import BestWeights, FinishClassifier
from lightning_modules.callbacks.calibration import CalibrateClassifier
from lightning_modules.callbacks.classifier import ClassifierFiles, ClassifierPictures
from lightning_modules.callbacks.last_checkpoint import last_checkpoint
from lightning_modules.callbacks.loggers import MetricHistory
from lightning_modules.callbacks.speed import Speed
from lightning_modules.callbacks.step_seeds import StepSeeds
from lightning_modules.utils.checkpoint_files import own_state
from lightning_modules.utils.distributed import share_of_processes
from lightning_modules.utils.metric_states import load_metric_states, metric_states
from lightning_modules.utils.optimizer import build_optimizer, training_steps
from relgen.classifiers import (
    Batch,
    Calibration,
    Classifier,
    ClassifierCallable,
    target_probabilities,
    weighted_mean,
)
from relgen.common import (
    ClosedUnitInterval,
    InputError,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    checks_numbers,
)
from relgen.data import RelationSchema
from relgen.evaluation import Scores, score

_LOG = logging.getLogger(__name__)
_SAME_OPTIONS = (
    "give the preset and the options that it was trained with: see config.yaml beside its folder "
    "`checkpoints`"
)


class RelationClassifierModule(LightningModule):
    """One classifier, its loss, optimiser and scores.

    Args:
        classifier: builds the architecture from the schema, such as
            `relgen.classifiers.entity_marker.EntityMarkerClassifier`.
        optimizer: builds the optimiser from parameter groups; its learning rate is that of the
            pre-trained weights.
        head_learning_rate: learning rate of the weights without pre-training.
        warmup_share: share of all steps in which the learning rates rise from 0, before they fall
            linearly to 0.
        generated_weight: weight of a generated sample's loss, relative to a human one's.
        select: which weights to save and test: the `last`, or those with the `best` micro-F1 on the
            validation file; of equally good ones the latest.
        calibration_folds: train as many more classifiers, each without a part of the human samples,
            to calibrate the probabilities on the samples left out. With 0 they are calibrated on
            the validation file, if there is one.
    """

    classifier: Classifier

    @checks_numbers
    def __init__(
        self,
        classifier: ClassifierCallable,
        optimizer: OptimizerCallable = torch.optim.AdamW,
        head_learning_rate: PositiveFloat = 1e-3,
        warmup_share: ClosedUnitInterval = 0.1,
        generated_weight: NonNegativeFloat = 1.0,
        select: Literal["last", "best"] = "last",
        calibration_folds: NonNegativeInt = 0,
    ) -> None:
        super().__init__()
        self.build_classifier = classifier
        self.build_optimizer = optimizer
        self.head_learning_rate = head_learning_rate
        self.warmup_share = warmup_share
        self.generated_weight = generated_weight
        self.select = select
        self.calibration_folds = calibration_folds
        self.calibration: Calibration | None = None
        self.leaves_files = True
        self.scores: dict[str, Scores] = {}

    @property
    def schema(self) -> RelationSchema:
        """Return the data module's schema. Raises InputError without a data module."""
        data = getattr(self.trainer, "datamodule", None)
        if data is None:
            raise InputError(
                "the relations come from the data module",
                field="datamodule",
                value=None,
                remedy="call trainer.fit(module, datamodule=RelationDataModule(...))",
            )
        return cast(RelationSchema, data.schema)

    def hyperparameters(self) -> dict[str, float | str]:
        return {
            "head_learning_rate": self.head_learning_rate,
            "warmup_share": self.warmup_share,
            "generated_weight": self.generated_weight,
            "select": self.select,
        }

    def again(self) -> RelationClassifierModule:
        """Return an untrained module with the same settings, which writes no files."""
        made = RelationClassifierModule(
            self.build_classifier,
            self.build_optimizer,
            head_learning_rate=self.head_learning_rate,
            warmup_share=self.warmup_share,
            generated_weight=self.generated_weight,
        )
        made.leaves_files = False
        return made

    def configure_model(self) -> None:
        """Load the pre-trained weights, once."""
        if "classifier" in self._modules:
            return
        self.classifier = self.build_classifier(self.schema)
        size = len(self.schema)
        self.confusions = nn.ModuleDict(
            {
                stage: MulticlassConfusionMatrix(size, validate_args=False)
                for stage in ("at_train", "at_val", "at_test")
            }
        )

    def configure_callbacks(self) -> list[Callback]:
        if not self.leaves_files:
            return [FinishClassifier(), StepSeeds()]
        callbacks: list[Callback] = self.trainer.callbacks  # type: ignore[attr-defined]
        if self.select == "best" and not any(isinstance(one, BestWeights) for one in callbacks):
            # if this returned it, it would replace the trainer's own checkpoints
            callbacks.append(BestWeights(self.trainer.default_root_dir))
        speed = Speed(lambda batch: {"tokens": batch.input_ids.numel(), "samples": len(batch.ids)})
        # the classifier is finished before the files are written
        finish: list[Callback] = [FinishClassifier(), CalibrateClassifier()]
        files: list[Callback] = [ClassifierFiles(), ClassifierPictures(), MetricHistory()]
        return [*finish, *files, StepSeeds(), speed, *last_checkpoint(self.trainer)]

    def on_fit_start(self) -> None:
        """Log the classifier's notice about its initial weights."""
        if self.classifier.start_notice and self.global_rank == 0:
            _LOG.warning(self.classifier.start_notice)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        optimizer = build_optimizer(self.build_optimizer, self.parameter_groups())
        if self.trainer.precision == "bf16-mixed":
            # a fused optimiser declares that it unscales gradients, so that Lightning refuses to
            # clip them; bfloat16 has no scaler
            optimizer._step_supports_amp_scaling = False  # type: ignore[attr-defined]
        total = training_steps(self.trainer)
        warmup = round(self.warmup_share * total)
        scheduler = get_linear_schedule_with_warmup(optimizer, warmup, total)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": scheduler, "interval": "step"},
        }

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return the trainable parameters: pre-trained with and without decay, then fresh ones.

        Biases and LayerNorm weights, which are vectors, do not decay.
        """
        fresh = {id(parameter) for parameter in self.classifier.fresh_parameters()}
        trainable = [p for p in self.classifier.parameters() if p.requires_grad]
        groups: list[dict[str, Any]] = []
        for is_fresh in (False, True):
            members = [p for p in trainable if (id(p) in fresh) == is_fresh]
            rate = {"lr": self.head_learning_rate} if is_fresh else {}
            groups.append({"params": [p for p in members if p.ndim > 1], **rate})
            groups.append({"params": [p for p in members if p.ndim <= 1], **rate})
            groups[-1]["weight_decay"] = 0.0
        return [group for group in groups if group["params"]]

    def forward(self, batch: Batch) -> Tensor:
        """Return the logits (B, R)."""
        return cast(Tensor, self.classifier(batch))

    def model_step(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the loss, a scalar, and the logits (B, R)."""
        relations = len(self.classifier.schema)
        targets = target_probabilities(batch.labels, batch.targets, relations)  # (B, R)
        logits, extra = self.classifier.with_extra_loss(batch, targets)  # (B, R), (B,)
        losses = F.cross_entropy(logits.float(), targets, reduction="none") + extra  # (B,)
        return weighted_mean(losses, self._weights(batch)), logits

    def training_step(self, batch: Batch, batch_index: int) -> Tensor:
        """Return the mean loss of the batch's samples, weighted by this process's share of them."""
        loss, logits = self.model_step(batch)
        loss = loss * share_of_processes(self._weights(batch).sum())
        self._confusion("train").update(logits.detach().argmax(dim=-1), batch.labels)
        rates = [group["lr"] for group in self.trainer.optimizers[0].param_groups]
        self.log("lr/encoder", rates[0])
        self.log("lr/head", rates[-1])
        self.log("train/loss", loss, prog_bar=True, batch_size=len(batch.labels), sync_dist=True)
        return loss

    def validation_step(self, batch: Batch, batch_index: int) -> dict[str, Tensor]:
        """Return loss and probabilities (B, R), which the callbacks read."""
        return self._evaluation_step("val", batch)

    def test_step(self, batch: Batch, batch_index: int) -> dict[str, Tensor]:
        return self._evaluation_step("test", batch)

    def predict_step(self, batch: Batch, batch_index: int) -> dict[str, Tensor]:
        return {"probabilities": self(batch).float().softmax(dim=-1)}

    def on_train_epoch_end(self) -> None:
        self._log_scores("train")

    def on_validation_epoch_end(self) -> None:
        self._log_scores("val")

    def on_test_epoch_end(self) -> None:
        self._log_scores("test")

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Save the settings, and the labels, since the weights refer to their order."""
        checkpoint["relgen_classifier"] = {
            "labels": list(self.classifier.schema.labels),
            "settings": self.classifier.identity(),
            "train_metrics": metric_states(self._confusion("train")),
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Raise InputError if the weights were trained for other labels or settings."""
        state = own_state(checkpoint, "classifier")
        theirs, ours = state["labels"], list(self.schema.labels)
        if theirs != ours:
            raise InputError(
                f"this checkpoint was trained for {_difference(theirs, ours)}",
                field="ckpt_path",
                remedy=f"give the schema that it was trained with (not this '{self.schema.name}')",
            )
        given, kept = self.classifier.identity(), state["settings"]
        for name in kept:
            if kept[name] != given.get(name):
                raise InputError(
                    f"this checkpoint was trained with {name} = {kept[name]!r}",
                    field=f"model.classifier.{name}",
                    value=given.get(name),
                    remedy=_SAME_OPTIONS,
                )
        load_metric_states(self._confusion("train"), state["train_metrics"], self.global_rank)

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> Any:
        """Load weights; raise InputError for those of another encoder."""
        try:
            return super().load_state_dict(state_dict, strict=strict, assign=assign)
        except RuntimeError as error:
            if "loading state_dict" not in str(error):
                raise
            raise InputError(
                f"the checkpoint's weights do not fit: {str(error).splitlines()[1].strip()[:120]}",
                field="ckpt_path",
                remedy=_SAME_OPTIONS,
            ) from error

    def _weights(self, batch: Batch) -> Tensor:
        return torch.where(batch.generated, self.generated_weight, 1.0)

    def _evaluation_step(self, stage: str, batch: Batch) -> dict[str, Tensor]:
        loss, logits = self.model_step(batch)
        self._confusion(stage).update(logits.argmax(dim=-1), batch.labels)
        self.log(f"{stage}/loss", loss, batch_size=len(batch.labels), on_epoch=True, sync_dist=True)
        return {"loss": loss, "probabilities": logits.float().softmax(dim=-1)}

    def _log_scores(self, stage: str) -> None:
        confusion = self._confusion(stage)
        self.scores[stage] = score(confusion.compute(), self.schema)
        confusion.reset()
        summary = self.scores[stage].summary()
        self.log_dict({f"{stage}/{name}": value for name, value in summary.items()})

    def _confusion(self, stage: str) -> MulticlassConfusionMatrix:
        return cast(MulticlassConfusionMatrix, self.confusions[f"at_{stage}"])


def _difference(theirs: Sequence[str], ours: Sequence[str]) -> str:
    """Describe the relations in which two schemas differ: the first three of each."""
    parts = []
    for word, some, others in (("with", theirs, ours), ("without", ours, theirs)):
        if alone := [label for label in some if label not in others]:
            more = f" and {len(alone) - 3} more" if len(alone) > 3 else ""
            parts.append(f"{word} {', '.join(alone[:3])}{more}")
    if not parts:
        return "the same relations in another order"
    return f"other relations: {', '.join(parts)}"
