"""LightningCLI on a shipped classifier preset, as `relgen classifier` calls it, on tiny files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lightning import LightningDataModule, LightningModule
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.cli import LightningCLI

from relgen.common.presets import find_config


def classifier_command(preset: str, files: Path, model: Path, *common: str) -> Callable[..., None]:
    """A function that runs a subcommand with further options; its output goes to `files/out`.

    Args:
        preset: of the classifier.
        files: folder of schema.yaml and test.jsonl.
        model: the tiny encoder's folder.
        common: options of every subcommand.
    """
    out = files / "out"

    def command(name: str, *options: str) -> None:
        LightningCLI(
            LightningModule,
            LightningDataModule,
            subclass_mode_model=True,
            subclass_mode_data=True,
            auto_configure_optimizers=False,
            save_config_callback=None,
            trainer_defaults={
                "callbacks": [ModelCheckpoint(out / "checkpoints", save_last=True)],
                "logger": False,
                "enable_progress_bar": False,
                "accelerator": "cpu",
            },
            args=[
                name,
                f"--config={find_config(preset)}",
                f"--trainer.default_root_dir={out}",
                f"--model.classifier.model={model}",
                "--model.classifier.max_length=48",
                "--model.optimizer.lr=0.003",
                f"--data.schema={files / 'schema.yaml'}",
                f"--data.test={files / 'test.jsonl'}",
                *common,
                *options,
            ],
        )

    return command


def assert_same_predictions(*given: list[dict[str, Any]]) -> None:
    """The same sentences and relations, and scores that differ by rounding only.

    Sentences share a batch with others here than there.
    """
    first, *others = given
    for rows in others:
        assert [(row["id"], row["relation"]) for row in rows] == [
            (row["id"], row["relation"]) for row in first
        ]
        for ours, theirs in zip(rows, first, strict=True):
            assert ours["score"] == pytest.approx(theirs["score"], abs=3e-6)
            assert ours["scores"] == pytest.approx(theirs["scores"], abs=3e-6)
