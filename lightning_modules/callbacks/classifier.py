"""What a relation classifier's run leaves behind: the model, scores and predictions.

Everything goes below `trainer.default_root_dir`, on the first process only.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
import torch.distributed
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor

from lightning_modules.callbacks.after_training import save_last_again
from relgen.classifiers import Batch, record_scores, save_classifier
from relgen.common import InputError, read_lines, write_json, write_jsonl
from relgen.data import Prediction


class BestWeights(Callback):
    """Keeps the weights with the best micro-F1 on the validation file; of equals, the latest.

    They take the last ones' place at the end of training, in the module and in the checkpoint
    `last.ckpt`, so that saving and testing see the same weights.
    """

    def __init__(self) -> None:
        self.score = -1.0
        self.weights: dict[str, Tensor] = {}

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Raises InputError without a validation file."""
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        if not data.files["validation"]:
            raise InputError(
                "`best` needs a validation file",
                field="model.select",
                value="best",
                remedy="give --data.validation FILE, or --model.select last",
            )

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Copies the weights when they are the best so far."""
        value = float(trainer.callback_metrics["val/micro_f1"])
        if trainer.state.fn == TrainerFn.FITTING and not trainer.sanity_checking:
            if value < self.score:
                return
            self.score = value
            state = pl_module.state_dict()
            self.weights = {name: tensor.detach().cpu().clone() for name, tensor in state.items()}

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Puts the best weights back."""
        if not self.weights:
            return
        pl_module.load_state_dict(self.weights)
        save_last_again(trainer)

    def state_dict(self) -> dict[str, Any]:
        """The best weights travel in the checkpoint, for runs that are resumed."""
        return {"score": self.score, "weights": self.weights}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes up what `state_dict` gave."""
        self.score, self.weights = state_dict["score"], state_dict["weights"]


class ClassifierFiles(Callback):
    """Writes `model/` after fit, `scores.json` and `predictions.jsonl` after test and predict."""

    def __init__(self) -> None:
        self._predictions: list[Prediction] = []

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Saves the classifier."""
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        if trainer.is_global_zero:
            save_classifier(
                _module(pl_module).classifier,
                _folder(trainer) / "model",
                data=data.describe(),
                training={
                    "learning_rate": trainer.optimizers[0].param_groups[0]["initial_lr"],
                    **_module(pl_module).hyperparameters(),
                    "batch_size": data.batch_size,
                    "steps": trainer.global_step,
                },
            )

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._predictions = []

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Raises InputError where the predictions would replace those behind the scores."""
        self._predictions = []
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        scored, told = _folder(trainer) / "scores.json", _folder(trainer) / "predictions.jsonl"
        if scored.is_file() and told.is_file():
            before = [row["id"] for row in map(json.loads, read_lines(told))]
            if before != data.sample_ids("predict"):
                raise InputError(
                    "holds the predictions behind scores.json, for other sentences",
                    path=told,
                    remedy="give another --out for these",
                )

    def on_test_batch_end(  # type: ignore[override]
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: dict[str, Tensor],
        batch: Batch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Keeps a batch's predictions."""
        self._keep(pl_module, batch, outputs["probabilities"])

    def on_predict_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Tensor,
        batch: Batch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Keeps a batch's predictions."""
        self._keep(pl_module, batch, outputs)

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Writes scores and predictions, and completes the saved classifier's model card."""
        self._write(trainer)
        if trainer.is_global_zero:
            scores = _module(pl_module).scores["test"].to_json()
            write_json(_folder(trainer) / "scores.json", scores)
            # the saved classifier lies beside the checkpoint, which `test` may write apart from
            trained = Path(trainer.ckpt_path or "-/-/-").parent.parent
            for folder in dict.fromkeys((_folder(trainer), trained)):
                record_scores(folder / "model", _module(pl_module).classifier, scores)

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Writes the predictions."""
        self._write(trainer)

    def _keep(self, pl_module: LightningModule, batch: Batch, probabilities: Tensor) -> None:
        labels = _module(pl_module).classifier.schema.labels
        self._predictions += [
            Prediction.from_probabilities(sample_id, labels, row)
            for sample_id, row in zip(batch.ids, probabilities.tolist(), strict=True)
        ]

    def _write(self, trainer: Trainer) -> None:
        merged = {p.id: p for part in _gather(self._predictions) for p in part}
        if trainer.is_global_zero:
            data: Any = trainer.datamodule  # type: ignore[attr-defined]
            name = "test" if trainer.state.fn == TrainerFn.TESTING else "predict"
            rows = [merged[sample_id].to_json() for sample_id in data.sample_ids(name)]
            write_jsonl(_folder(trainer) / "predictions.jsonl", rows)


def _gather(part: list[Prediction]) -> list[list[Prediction]]:
    """Every process' part; a process may have none."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return [part]
    parts: list[Any] = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(parts, part)
    return parts


def _folder(trainer: Trainer) -> Path:
    return Path(trainer.default_root_dir)


def _module(pl_module: LightningModule) -> Any:
    """The module as what it is; its class imports this file."""
    return pl_module
