"""Write the files of a relation classifier's run: the model, scores and predictions.

All are below `trainer.default_root_dir`, written by the first process only.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
import torch.distributed
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor

from relgen.classifiers import Batch, record_scores, save_classifier
from relgen.common import InputError, read_lines, write_json, write_jsonl
from relgen.data import Prediction


class ClassifierFiles(Callback):
    """Writes `model/` after fit, `scores.json` and `predictions.jsonl` after test and predict."""

    def __init__(self) -> None:
        self._predictions: list[Prediction] = []

    def on_fit_end(self, trainer: Trainer, pl_module: Any) -> None:
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        if trainer.is_global_zero:
            save_classifier(
                pl_module.classifier,
                _folder(trainer) / "model",
                data=data.describe(),
                training={
                    "learning_rate": trainer.optimizers[0].param_groups[0]["initial_lr"],
                    **pl_module.hyperparameters(),
                    "batch_size": data.batch_size,
                    "steps": trainer.global_step,
                },
            )

    def on_test_start(self, trainer: Trainer, pl_module: Any) -> None:
        self._predictions = []

    def on_predict_start(self, trainer: Trainer, pl_module: Any) -> None:
        """Raise InputError if the predictions would replace those behind `scores.json`."""
        self._predictions = []
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        predictions = _folder(trainer) / "predictions.jsonl"
        if (_folder(trainer) / "scores.json").is_file() and predictions.is_file():
            before = [row["id"] for row in map(json.loads, read_lines(predictions))]
            if before != data.sample_ids("predict"):
                raise InputError(
                    "contains the predictions behind scores.json, for other sentences",
                    path=predictions,
                    remedy="choose another --out",
                )

    def on_test_batch_end(  # type: ignore[override]
        self, trainer: Trainer, pl_module: Any, outputs: dict[str, Tensor], batch: Batch, *_: int
    ) -> None:
        labels = pl_module.classifier.schema.labels
        self._predictions += [
            Prediction.from_probabilities(sample_id, labels, row)
            for sample_id, row in zip(batch.ids, outputs["probabilities"].tolist(), strict=True)
        ]

    on_predict_batch_end = on_test_batch_end  # type: ignore[assignment]

    def on_test_end(self, trainer: Trainer, pl_module: Any) -> None:
        """Write scores and predictions, and complete the saved classifier's model card."""
        self._write(trainer)
        if trainer.is_global_zero:
            scores = asdict(pl_module.scores["test"])
            write_json(_folder(trainer) / "scores.json", scores)
            # the saved classifier lies beside the checkpoint; `test` may write to another folder
            trained = Path(trainer.ckpt_path or "-/-/-").parent.parent
            for folder in dict.fromkeys((_folder(trainer), trained)):
                record_scores(folder / "model", pl_module.classifier, scores)

    def on_predict_end(self, trainer: Trainer, pl_module: Any) -> None:
        self._write(trainer)

    def _write(self, trainer: Trainer) -> None:
        merged = {p.id: p for part in _gather(self._predictions) for p in part}
        if trainer.is_global_zero:
            data: Any = trainer.datamodule  # type: ignore[attr-defined]
            name = "test" if trainer.state.fn == TrainerFn.TESTING else "predict"
            rows = [asdict(merged[sample_id]) for sample_id in data.sample_ids(name)]
            write_jsonl(_folder(trainer) / "predictions.jsonl", rows)


def _gather(part: list[Prediction]) -> list[list[Prediction]]:
    """Return every process' part; it may be empty."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return [part]
    parts: list[Any] = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(parts, part)
    return parts


def _folder(trainer: Trainer) -> Path:
    return Path(trainer.default_root_dir)
