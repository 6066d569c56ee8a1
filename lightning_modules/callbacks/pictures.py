"""Log a relation classifier's results: pictures, texts and curves."""

from __future__ import annotations

from typing import Any

import numpy as np
from lightning.pytorch import Callback, Trainer
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
from relgen.classifiers import Batch
from relgen.evaluation import Scores

_MISTAKES = 20
_LONGEST_LABEL = 28
_MOST_NUMBERS = 25


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
            self._mistakes.append(f"| `{text.replace('|', '/')}` | {gold} | {wrong} |")

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
        found = [one.score for one in callbacks if isinstance(one, BestWeights)]
        found += [float(metrics[x]) for x in ("val/micro_f1", "train/micro_f1") if x in metrics]
        scores = [score for score in found if score is not None]
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

    Cells show counts for up to 25 labels.
    """
    counts = np.array(scores.confusion)  # (R, R)
    shares = counts / counts.sum(axis=1, keepdims=True).clip(min=1)
    size = 3 + 0.35 * len(counts)
    # not pyplot: its figures stay in memory, and its backend is the user's choice
    figure = Figure(figsize=(size, size), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    names = [label[:_LONGEST_LABEL] for label in scores.labels]
    axes.set_xticks(range(len(names)), names, rotation=90, fontsize=7)
    axes.set_yticks(range(len(names)), names, fontsize=7)
    axes.set_xlabel("predicted")
    axes.set_ylabel("gold")
    if len(names) <= _MOST_NUMBERS:
        for (row, column), count in np.ndenumerate(counts):
            if count:
                colour = "white" if shares[row, column] > 0.5 else "black"
                axes.text(column, row, str(count), ha="center", va="center", fontsize=6, c=colour)
    return figure
