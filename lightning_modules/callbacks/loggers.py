"""Texts, pictures and settings for the loggers that the user configured.

`LightningModule.log` sends numbers to every logger; Lightning has no common call for the rest.
TensorBoard, MLflow and Weights & Biases take texts and pictures; others, such as CSV, do not.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lightning.pytorch import Trainer
from lightning.pytorch.loggers import Logger, MLFlowLogger, TensorBoardLogger, WandbLogger
from matplotlib.figure import Figure

from lightning_modules.callbacks.history import HistoryLogger


class RunTensorBoardLogger(TensorBoardLogger):
    """Writes TensorBoard's files to one folder, without versions below it.

    As a class of our own it also avoids that jsonargparse passes its arguments on to a logger that
    the user configures instead.
    """

    def __init__(self, folder: str) -> None:
        place = Path(folder)
        super().__init__(place.parent, name=place.name, version="", default_hp_metric=False)


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
