"""A relation classifier's results in the user's loggers: pictures, texts and curves."""

from __future__ import annotations

from typing import Any

import numpy as np
from lightning.pytorch import Callback, LightningModule, Trainer
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import Tensor

from lightning_modules.callbacks.classifier import BestWeights
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
    """Confusion matrix, F1 of each relation, wrong predictions and settings."""

    def __init__(self) -> None:
        self._mistakes: list[str] = []

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._mistakes = []

    def on_test_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._mistakes = []

    def on_validation_batch_end(  # type: ignore[override]
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: dict[str, Tensor],
        batch: Batch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Keeps a few wrong predictions."""
        self._collect(trainer, pl_module, outputs, batch)

    def on_test_batch_end(  # type: ignore[override]
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: dict[str, Tensor],
        batch: Batch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Keeps a few wrong predictions."""
        self._collect(trainer, pl_module, outputs, batch)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draws the validation file's results."""
        if not trainer.sanity_checking:
            self._draw(trainer, pl_module, "val")

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draws the test file's results."""
        self._draw(trainer, pl_module, "test")

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Records the settings beside the score that they led to."""
        names = ("val/micro_f1", "train/micro_f1")
        found = [float(trainer.callback_metrics[x]) for x in names if x in trainer.callback_metrics]
        best = [kept.score for kept in _callbacks(trainer) if isinstance(kept, BestWeights)]
        if not found:
            return
        outcome = {"hp/micro_f1": (best or found)[0]}
        write_settings(trainer, _module(pl_module).hyperparameters(), outcome)

    def _collect(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: dict[str, Tensor],
        batch: Batch,
    ) -> None:
        if not user_loggers(trainer) or len(self._mistakes) >= _MISTAKES:
            return
        classifier = _module(pl_module).classifier
        labels = classifier.schema.labels
        predicted = outputs["probabilities"].argmax(dim=-1)
        for row in (predicted != batch.labels).nonzero()[:, 0].tolist():
            text = classifier.encoding.decode(batch.input_ids[row].tolist())
            gold, wrong = labels[int(batch.labels[row])], labels[int(predicted[row])]
            self._mistakes.append(f"| `{text.replace('|', '/')}` | {gold} | {wrong} |")

    def _draw(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if not user_loggers(trainer):
            return
        scores = _module(pl_module).scores[stage]
        table = ["| text | gold | predicted |", "|---|---|---|", *self._mistakes[:_MISTAKES]]
        write_figure(trainer, f"{stage}/confusion", confusion_figure(scores))
        write_text(trainer, f"{stage}/mistakes", "\n".join(table))
        per_relation = scores.per_relation.items()
        write_numbers(trainer, {f"{stage}_f1/{label}": row.f1 for label, row in per_relation})


def confusion_figure(scores: Scores) -> Figure:
    """The confusion matrix as a heat map; each row is coloured by its own shares.

    Args:
        scores: R labels; the counts are written into the cells up to 25 labels.
    """
    counts = np.array(scores.confusion)  # (R, R)
    shares = counts / counts.sum(axis=1, keepdims=True).clip(min=1)
    size = 3 + 0.35 * len(counts)
    # not pyplot: its figures stay in memory, and its backend belongs to the user
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


def _callbacks(trainer: Trainer) -> list[Callback]:
    callbacks: Any = trainer.callbacks  # type: ignore[attr-defined]
    return list(callbacks)


def _module(pl_module: LightningModule) -> Any:
    """The module as what it is; its class imports this file."""
    return pl_module
