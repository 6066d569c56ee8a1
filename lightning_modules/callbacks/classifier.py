"""Writes the results of a relation classifier's run: files, and pictures and texts for loggers.

The files are below `trainer.default_root_dir`; the first process writes all.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.trainer.states import TrainerFn
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import Tensor

from lightning_modules.callbacks.after_training import BestWeights
from lightning_modules.callbacks.loggers import (
    user_loggers,
    write_figure,
    write_numbers,
    write_settings,
    write_text,
)
from lightning_modules.utils.fonts import fonts_for
from relgen.classifiers import Batch, record_scores, save_classifier
from relgen.common import (
    InputError,
    decode_json,
    markdown_code,
    markdown_text,
    read_lines,
    write_json,
    write_jsonl,
)
from relgen.data import Prediction
from relgen.evaluation import Scores, measure_confidence

_MISTAKES = 20
_LONGEST_LABEL = 28
_MOST_NUMBERS = 25
_MOST_NAMES = 60


class ClassifierFiles(Callback):
    """Writes `model/` after fit, and `predictions.jsonl` after test and predict.

    After test also `scores.json`, with how far the probabilities can be trusted, and
    `mistakes.jsonl`, the sentences of the wrong predictions with the highest probabilities.
    """

    def __init__(self) -> None:
        self._predictions: list[tuple[Prediction, int]] = []

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
                calibration=pl_module.calibration,
            )

    def on_test_start(self, trainer: Trainer, pl_module: Any) -> None:
        self._predictions = []

    def on_predict_start(self, trainer: Trainer, pl_module: Any) -> None:
        """Raise InputError if the predictions would replace those behind `scores.json`."""
        self._predictions = []
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        predictions = _folder(trainer) / "predictions.jsonl"
        if (_folder(trainer) / "scores.json").is_file() and predictions.is_file():
            before = [row["id"] for row in map(decode_json, read_lines(predictions))]
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
        rows = zip(batch.ids, outputs["probabilities"].tolist(), batch.labels.tolist(), strict=True)
        self._predictions += [
            (Prediction.from_probabilities(sample_id, labels, row), gold)
            for sample_id, row, gold in rows
        ]

    on_predict_batch_end = on_test_batch_end  # type: ignore[assignment]

    def on_test_end(self, trainer: Trainer, pl_module: Any) -> None:
        """Write scores and predictions, and complete the saved classifier's model card."""
        predictions = self._write(trainer)
        if trainer.is_global_zero:
            labels = pl_module.classifier.schema.labels
            confidence = torch.tensor([one.score for one, _ in predictions])
            correct = torch.tensor([one.relation == labels[gold] for one, gold in predictions])
            scores = asdict(pl_module.scores["test"])
            scores["confidence"] = measure_confidence(confidence, correct)
            write_json(_folder(trainer) / "scores.json", scores)
            self._write_mistakes(trainer, [(one, labels[gold]) for one, gold in predictions])
            # the saved classifier lies beside the checkpoint; `test` may write to another folder
            trained = Path(trainer.ckpt_path or "-/-/-").parent.parent
            for folder in dict.fromkeys((_folder(trainer), trained)):
                record_scores(folder / "model", pl_module.classifier, scores)

    def _write_mistakes(
        self, trainer: Trainer, predictions: Sequence[tuple[Prediction, str]]
    ) -> None:
        """Write the sentences of the wrong predictions with the highest probabilities."""
        wrong = [(one, gold) for one, gold in predictions if one.relation != gold]
        worst = sorted(wrong, key=lambda each: -each[0].score)[:_MISTAKES]
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        texts = data.sentences("test", [one.id for one, _ in worst])
        rows = (
            {"id": one.id, "gold": gold, "predicted": one.relation, "probability": one.score}
            | texts[one.id]
            for one, gold in worst
        )
        write_jsonl(_folder(trainer) / "mistakes.jsonl", rows)

    def on_predict_end(self, trainer: Trainer, pl_module: Any) -> None:
        self._write(trainer)

    def _write(self, trainer: Trainer) -> list[tuple[Prediction, int]]:
        """Write the predictions in the file's order, and return them with the gold labels."""
        merged = {p.id: (p, gold) for part in _gather(self._predictions) for p, gold in part}
        if not trainer.is_global_zero:
            return []
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        name = "test" if trainer.state.fn == TrainerFn.TESTING else "predict"
        found = [merged[sample_id] for sample_id in data.sample_ids(name)]
        write_jsonl(_folder(trainer) / "predictions.jsonl", (asdict(one) for one, _ in found))
        return found


class ClassifierPictures(Callback):
    """Logs the confusion matrix, F1 of each relation, wrong predictions and settings."""

    def __init__(self) -> None:
        self._mistakes: list[str] = []

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: Any) -> None:
        self._mistakes = []

    on_test_epoch_start = on_validation_epoch_start

    def on_validation_batch_end(  # type: ignore[override]
        self, trainer: Trainer, pl_module: Any, outputs: dict[str, Tensor], batch: Batch, *_: int
    ) -> None:
        if not user_loggers(trainer):
            return
        classifier = pl_module.classifier
        labels = classifier.schema.labels
        predicted = outputs["probabilities"].argmax(dim=-1)
        for row in (predicted != batch.labels).nonzero()[:, 0].tolist():
            if len(self._mistakes) == _MISTAKES:
                return
            text = classifier.encoding.decode(batch.input_ids[row].tolist())
            gold, wrong = labels[int(batch.labels[row])], labels[int(predicted[row])]
            cells = markdown_code(text), markdown_text(gold), markdown_text(wrong)
            self._mistakes.append(f"| {' | '.join(cells)} |")

    on_test_batch_end = on_validation_batch_end  # type: ignore[assignment]

    def on_validation_end(self, trainer: Trainer, pl_module: Any) -> None:
        if not trainer.sanity_checking:
            self._draw(trainer, pl_module.scores["val"], "val")

    def on_test_end(self, trainer: Trainer, pl_module: Any) -> None:
        self._draw(trainer, pl_module.scores["test"], "test")

    def on_fit_end(self, trainer: Trainer, pl_module: Any) -> None:
        """Log the settings with the score that they led to."""
        metrics = trainer.callback_metrics
        callbacks: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]
        found = [one.best_model_score for one in callbacks if isinstance(one, BestWeights)]
        found += [metrics.get(name) for name in ("val/micro_f1", "train/micro_f1")]
        scores = [float(score) for score in found if score is not None]
        if scores:
            write_settings(trainer, pl_module.hyperparameters(), {"hp/micro_f1": scores[0]})

    def _draw(self, trainer: Trainer, scores: Scores, stage: str) -> None:
        if not user_loggers(trainer):
            return
        table = ["| text | gold | predicted |", "|---|---|---|", *self._mistakes]
        write_figure(trainer, f"{stage}/confusion", confusion_figure(scores))
        write_text(trainer, f"{stage}/mistakes", "\n".join(table))
        per_relation = scores.per_relation.items()
        write_numbers(trainer, {f"{stage}_f1/{label}": row.f1 for label, row in per_relation})


def confusion_figure(scores: Scores) -> Figure:
    """Draw the confusion matrix as a heat map; colours show shares of each row.

    Cells show counts for up to 25 labels. Beyond 60 labels the picture grows no more, and only some
    are named. A label in letters for which no font is installed is shown by its number.
    """
    counts = np.array(scores.confusion)  # (R, R)
    shares = counts / counts.sum(axis=1, keepdims=True).clip(min=1)
    size = 3 + 0.35 * min(len(counts), _MOST_NAMES)
    # not pyplot: its figures stay in memory, and its backend is the user's choice
    figure = Figure(figsize=(size, size), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    fonts, missing = fonts_for(tuple(scores.labels))
    names = [
        f"#{number}" if missing & set(label) else label[:_LONGEST_LABEL]
        for number, label in enumerate(scores.labels, start=1)
    ]
    named = range(0, len(names), math.ceil(len(names) / _MOST_NAMES))
    # a label with dollar signs is no formula
    style: dict[str, Any] = {"fontsize": 7, "parse_math": False, "family": fonts}
    axes.set_xticks(named, [names[place] for place in named], rotation=90, **style)
    axes.set_yticks(named, [names[place] for place in named], **style)
    axes.set_xlabel("predicted")
    axes.set_ylabel("gold")
    if len(names) <= _MOST_NUMBERS:
        for (row, column), count in np.ndenumerate(counts):
            if count:
                colour = "white" if shares[row, column] > 0.5 else "black"
                axes.text(column, row, str(count), ha="center", va="center", fontsize=6, c=colour)
    return figure


def _gather(part: list[tuple[Prediction, int]]) -> list[list[tuple[Prediction, int]]]:
    """Return every process' part; it may be empty."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return [part]
    parts: list[Any] = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(parts, part)
    return parts


def _folder(trainer: Trainer) -> Path:
    return Path(trainer.default_root_dir)
