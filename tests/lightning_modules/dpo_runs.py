"""DPO trainings of a tiny model on ten pairs."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint

from datamodules.preferences import PreferenceDataModule
from lightning_modules.dpo import DPOModule
from relgen.dpo.preference_pairs import write_chains
from tests import tiny


class Losses(Callback):
    """Remembers the loss of each step, bit by bit."""

    def __init__(self) -> None:
        self.values: list[float] = []

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        self.values.append(outputs["loss"].item())


def write_files(folder: Path) -> dict[str, str]:
    """Write a model, chains and a schema; return their paths."""
    model = tiny.save_model(folder / "base")
    chains = [tiny.chain(pairs, name=f"cause#{pairs}") for pairs in (1, 2, 3, 4)]
    write_chains(folder / "chains.jsonl", chains)
    tiny.SCHEMA.save(folder / "schema.yaml")
    return {
        "model": model,
        "chains": str(folder / "chains.jsonl"),
        "schema": str(folder / "schema.yaml"),
    }


def module(files: dict[str, str], **options) -> DPOModule:
    settings = {
        "lora_rank": 4,
        "lora_alpha": 8,
        "optimizer": partial(torch.optim.AdamW, lr=1e-2),
        **options,
    }
    return DPOModule(model=files["model"], **settings)


def data(files: dict[str, str], **options) -> PreferenceDataModule:
    settings = {"max_length": 2048, "token_budget": 2000, "seed": 1, **options}
    return PreferenceDataModule(files["chains"], files["schema"], model=files["model"], **settings)


def trainer(folder: Path, *callbacks: Callback, **options) -> Trainer:
    settings = {
        "max_epochs": 2,
        "log_every_n_steps": 1,
        "logger": False,
        "enable_checkpointing": any(isinstance(c, ModelCheckpoint) for c in callbacks),
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "accelerator": "cpu",
        "devices": 1,
        **options,
    }
    return Trainer(default_root_dir=folder, callbacks=list(callbacks), **settings)
