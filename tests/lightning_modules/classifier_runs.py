"""Trainings of a tiny classifier, for the tests of modules and callbacks."""

import os
from functools import partial

import torch
from lightning import Trainer
from lightning.pytorch.callbacks import Callback

from datamodules.relations import RelationDataModule
from lightning_modules.relation_classifier import RelationClassifierModule
from relgen.classifiers.entity_marker import EntityMarkerClassifier


def module(encoder, **options):
    return RelationClassifierModule(
        partial(EntityMarkerClassifier, model=encoder, dropout=0.0, max_length=48),
        partial(torch.optim.AdamW, lr=3e-3, weight_decay=0.01),
        **options,
    )


def data(files, **options):
    settings = {"human": str(files / "human.jsonl"), "steps_per_epoch": 20, **options}
    return RelationDataModule(str(files / "schema.yaml"), **settings)


def trainer(folder, steps, **options):
    return Trainer(
        accelerator="cpu",
        devices=1,
        max_steps=steps,
        num_sanity_val_steps=0,
        log_every_n_steps=5,
        default_root_dir=folder,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        **{"logger": False, "enable_checkpointing": False, **options},
    )


class Stop(Callback):
    """A signal in the middle of a step."""

    def __init__(self, told, step):
        self.told, self.step = told, step

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if trainer.global_step == self.step:
            os.kill(os.getpid(), self.told)
