"""Callbacks that modules return from `configure_callbacks`: what a run leaves in its folder.

They write below `trainer.default_root_dir`, on the first process only.
"""

from __future__ import annotations

import json
import math
from argparse import Namespace
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.loggers.logger import Logger
from lightning.pytorch.utilities import rank_zero_only
from torch import Tensor

from relgen.adapters import save_adapter
from relgen.files import read_lines, write_jsonl
from relgen.language_model import load_tokenizer
from relgen.prompts import encode, prompt_format
from relgen.tree import TreeBatch, prompt_ids

_MAX_NEW_TOKENS = 60


class MetricHistory(Callback):
    """Writes `history.jsonl`: one object a step at which something was logged.

        {"step": 40, "epoch": 2, "metrics": {"loss": 0.61, "val/loss": 0.64}}

    When a run goes on from a checkpoint, what an interrupted run wrote after that checkpoint is
    dropped first, so that no step stands in the file twice. What is not finite is left out.
    """

    def __init__(self) -> None:
        self._history: _HistoryLogger | None = None

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if stage == "fit" and self._history is None:
            self._history = _HistoryLogger(Path(trainer.default_root_dir) / "history.jsonl")
            # only a logger sees each logging event once, with its step
            trainer.loggers = [*trainer.loggers, self._history]

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self._history is not None:
            self._history.start(trainer.global_step)


class SaveAdapter(Callback):
    """Writes the adapter in PEFT's format to `adapter/` when `fit` has ended."""

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        policy: Any = pl_module.policy
        model: Any = pl_module.model
        if trainer.is_global_zero:
            save_adapter(policy, Path(trainer.default_root_dir) / "adapter", base_model=model)


class SampleTexts(Callback):
    """Lets the policy answer a few prompts of the training data, as text in TensorBoard.

    The prompts are those of the first pairs of the first batch; decoding is greedy, so that the
    texts of different steps compare, and the random state of the training is left as it was.

    Args:
        every_n_steps: optimiser steps between two looks.
        count: how many prompts.
    """

    def __init__(self, every_n_steps: int, count: int = 3) -> None:
        self.every_n_steps = every_n_steps
        self.count = count
        self._prompts: list[Tensor] = []
        self._last_step = -1

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: TreeBatch, batch_idx: int
    ) -> None:
        if not self._prompts:
            places = [(t, p) for t, pairs in enumerate(batch.pairs_per_tree) for p in range(pairs)]
            self._prompts = [prompt_ids(batch, *place) for place in places[: self.count]]

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: TreeBatch,
        batch_idx: int,
    ) -> None:
        step = trainer.global_step
        boards = [logger for logger in trainer.loggers if isinstance(logger, TensorBoardLogger)]
        due = step % self.every_n_steps == 0 and step != self._last_step
        if not due or not boards or not trainer.is_global_zero:
            return
        self._last_step = step
        for index, text in enumerate(self._answers(pl_module)):
            for board in boards:
                board.experiment.add_text(f"samples/{index}", f"`{text}`", step)

    @torch.no_grad()
    def _answers(self, pl_module: LightningModule) -> list[str]:
        model: Any = pl_module.model
        policy: Any = pl_module.policy
        tokenizer = load_tokenizer(model)
        stop = encode(tokenizer, prompt_format(tokenizer).terminator)[0]
        texts = []
        pl_module.eval()
        devices = [pl_module.device] if pl_module.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices):
            for prompt in self._prompts:
                ids = prompt[None].to(pl_module.device)
                answer = policy.generate(
                    input_ids=ids,
                    attention_mask=torch.ones_like(ids),
                    max_new_tokens=_MAX_NEW_TOKENS,
                    do_sample=False,
                    eos_token_id=stop,
                    pad_token_id=stop,
                )[0, ids.shape[1] :]
                texts.append(str(tokenizer.decode(answer, skip_special_tokens=True)))
        pl_module.train()
        return texts


class _HistoryLogger(Logger):
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
        """Drops what was logged at `step` and later: these steps are still to come."""
        lines = read_lines(self.path) if step and self.path.exists() else ()
        rows = (json.loads(line) for line in lines if line.endswith("\n"))
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
        """Hyper-parameters are no metrics."""
