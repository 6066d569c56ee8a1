"""`history.jsonl`, and texts, pictures and settings for the loggers that the user configured.

`history.jsonl` holds the metrics of a training, step by step, for reports. What differs from run to
run, such as speed, goes to the user's loggers only.

`LightningModule.log` sends numbers to every logger; Lightning has no common call for the rest.
TensorBoard, MLflow and Weights & Biases take texts and pictures; others, such as CSV, do not.
"""

from __future__ import annotations

import json
import math
from argparse import Namespace
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import Logger, MLFlowLogger, TensorBoardLogger, WandbLogger
from lightning.pytorch.utilities import rank_zero_only
from matplotlib.figure import Figure

from relgen.common import decode_json, read_lines, write_jsonl


class RunTensorBoardLogger(TensorBoardLogger):
    """Writes TensorBoard's files to one folder, without versions below it.

    Being a separate class, it also stops jsonargparse from passing its arguments on to a logger
    that the user configures.
    """

    def __init__(self, folder: str) -> None:
        place = Path(folder)
        named: Any = {"name": place.name, "version": "", "filename_suffix": ".relgen"}
        super().__init__(place.parent, default_hp_metric=False, **named)


class MetricHistory(Callback):
    """Writes `history.jsonl`: one object for each step with metrics.

        {"step": 40, "epoch": 2, "metrics": {"loss": 0.61, "val/loss": 0.64}}

    When a run resumes from a checkpoint, rows of later steps are dropped first, so that no step
    occurs twice. Values that are not finite are omitted.
    """

    def __init__(self) -> None:
        self._history: HistoryLogger | None = None

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if stage == "fit" and self._history is None:
            self._history = HistoryLogger(Path(trainer.default_root_dir) / "history.jsonl")
            # only a logger sees each logging event once, with its step
            trainer.loggers = [*trainer.loggers, self._history]

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self._history is not None:
            self._history.start(trainer.global_step)


class HistoryLogger(Logger):
    """Keeps the rows of `history.jsonl`; metrics of the same step share a row."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self._rows: list[dict[str, Any]] = []

    @property
    def name(self) -> str:
        return "history"

    @property
    def version(self) -> int:
        return 0

    @rank_zero_only
    def start(self, step: int) -> None:
        """Drop the rows of `step` and later ones, which will be logged again."""
        lines = read_lines(self.path) if step and self.path.exists() else ()
        rows = (decode_json(line) for line in lines if line.endswith("\n"))
        self._rows = [row for row in rows if row["step"] < step]
        write_jsonl(self.path, self._rows)

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        finite = {name: value for name, value in metrics.items() if math.isfinite(value)}
        epoch = int(finite.pop("epoch", 0))
        if step is None or not finite:
            return
        if self._rows and self._rows[-1]["step"] == step:
            self._rows[-1]["metrics"].update(finite)
            write_jsonl(self.path, self._rows)
            return
        self._rows.append({"step": step, "epoch": epoch, "metrics": finite})
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(self._rows[-1]) + "\n")

    @rank_zero_only
    def log_hyperparams(
        self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any
    ) -> None:
        """Do nothing: hyper-parameters are not metrics."""


def user_loggers(trainer: Trainer) -> list[Logger]:
    """Return the user's loggers, on the first process only."""
    if not trainer.is_global_zero:
        return []
    return [logger for logger in trainer.loggers if not isinstance(logger, HistoryLogger)]


def takes_texts(trainer: Trainer) -> bool:
    """Return whether any logger of this process accepts texts."""
    known = (TensorBoardLogger, MLFlowLogger, WandbLogger)
    return any(isinstance(logger, known) for logger in user_loggers(trainer))


def write_text(trainer: Trainer, name: str, text: str) -> None:
    """Log a text (Markdown) at the trainer's step, under a name such as `samples/0`."""
    step = trainer.global_step
    for logger in user_loggers(trainer):
        if isinstance(logger, TensorBoardLogger):
            logger.experiment.add_text(name, text, step)
        elif isinstance(logger, MLFlowLogger):
            logger.experiment.log_text(logger.run_id, text, f"{name}/{step}.md")
        elif isinstance(logger, WandbLogger):
            logger.log_text(name, columns=["step", "text"], data=[[str(step), text]])


def write_figure(trainer: Trainer, name: str, figure: Figure) -> None:
    """Log a picture at the trainer's step, under a name such as `test/confusion`."""
    step = trainer.global_step
    for logger in user_loggers(trainer):
        if isinstance(logger, TensorBoardLogger):
            logger.experiment.add_figure(name, figure, step, close=False)
        elif isinstance(logger, MLFlowLogger):
            logger.experiment.log_figure(logger.run_id, figure, f"{name}/{step}.png")
        elif isinstance(logger, WandbLogger):
            logger.log_image(name, [figure])


def write_numbers(trainer: Trainer, values: dict[str, float]) -> None:
    """Log numbers that do not belong in `history.jsonl`, at the trainer's step."""
    for logger in user_loggers(trainer):
        logger.log_metrics(values, step=trainer.global_step)


def write_settings(trainer: Trainer, settings: dict[str, Any], outcome: dict[str, float]) -> None:
    """Log hyper-parameters with the resulting metrics."""
    for logger in user_loggers(trainer):
        if isinstance(logger, TensorBoardLogger):
            logger.log_hyperparams(settings, outcome)
        else:
            logger.log_hyperparams(settings)
            logger.log_metrics(outcome, step=trainer.global_step)
