"""Fits, tests and predicts on two processes; `test_relation_classifier` starts it.

Lightning starts the second process by running this script again.
"""

import sys
from functools import partial
from pathlib import Path

import torch
from lightning import Trainer, seed_everything

from datamodules.relations import RelationDataModule
from lightning_modules.relation_classifier import RelationClassifierModule
from relgen.classifiers.entity_marker import EntityMarkerClassifier


def main(folder: Path) -> None:
    seed_everything(1)
    module = RelationClassifierModule(
        partial(EntityMarkerClassifier, model=str(folder / "encoder"), dropout=0.0, max_length=48),
        partial(torch.optim.AdamW, lr=3e-3),
    )
    data = RelationDataModule(
        str(folder / "schema.yaml"),
        human=str(folder / "human.jsonl"),
        validation=str(folder / "test.jsonl"),
        test=str(folder / "test.jsonl"),
        evaluation_batch_size=2,
        steps_per_epoch=10,
    )
    trainer = Trainer(
        accelerator="cpu",
        strategy="ddp",
        devices=2,
        max_steps=20,
        num_sanity_val_steps=0,
        default_root_dir=folder / "out",
        use_distributed_sampler=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        logger=False,
    )
    trainer.fit(module, data)
    trainer.test(module, data)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
