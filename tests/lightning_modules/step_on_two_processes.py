"""One step of a classifier on two processes; `test_processes` starts it."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer, seed_everything

from datamodules.relations import RelationDataModule
from lightning_modules.relation_classifier import RelationClassifierModule
from relgen.classifiers.entity_marker import EntityMarkerClassifier

RATE = 0.5


def module(folder: Path) -> RelationClassifierModule:
    """Plain gradient descent at one rate; generated samples count less."""
    return RelationClassifierModule(
        partial(EntityMarkerClassifier, model=str(folder / "encoder"), dropout=0.0, max_length=48),
        partial(torch.optim.SGD, lr=RATE),
        head_learning_rate=RATE,
        warmup_share=0.0,
        generated_weight=0.3,
    )


class Keep(Callback):
    """Keeps the weights before the step, and every process' batch."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        torch.save(batch, self.folder / f"batch{trainer.global_rank}.pt")
        if trainer.is_global_zero:
            torch.save(pl_module.classifier.state_dict(), self.folder / "before.pt")


def main(folder: Path) -> None:
    """Fits for one step."""
    seed_everything(1)
    built = module(folder)
    data = RelationDataModule(
        str(folder / "schema.yaml"),
        human=str(folder / "human.jsonl"),
        generated=str(folder / "generated.jsonl"),
        batch_size=3,
        steps_per_epoch=1,
    )
    trainer = Trainer(
        accelerator="cpu",
        strategy="ddp",
        devices=2,
        max_steps=1,
        precision="64-true",
        default_root_dir=folder / "out",
        callbacks=[Keep(folder)],
        use_distributed_sampler=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        logger=False,
    )
    trainer.fit(built, data)
    if trainer.is_global_zero:
        torch.save(built.classifier.state_dict(), folder / "after.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
