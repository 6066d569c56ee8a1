"""Callbacks of DPO: the adapter's files, hyper-parameters, and samples of the policy's text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from lightning_modules.callbacks.loggers import takes_texts, write_settings, write_text
from lightning_modules.utils.distributed import any_process
from lightning_modules.utils.sharding import trained_weights
from relgen.common import markdown_code
from relgen.dpo import TreeBatch, prompt_ids
from relgen.models import load_tokenizer, save_adapter
from relgen.prompting import encode, prompt_format

_MAX_NEW_TOKENS = 60


class SaveAdapter(Callback):
    """Writes the adapter in PEFT's format to `adapter/` when `fit` ends."""

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        module: Any = pl_module
        # on all processes, which gather sharded weights together
        weights = trained_weights(module.policy.named_parameters())
        if trainer.is_global_zero:
            save_adapter(
                module.policy,
                Path(trainer.default_root_dir) / "adapter",
                base_model=module.model,
                weights=weights,
                base_fingerprint=module.base_fingerprint,
            )


class Settings(Callback):
    """Logs the hyper-parameters with the resulting preference accuracy."""

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        names = ("val/rewards/accuracies", "epoch/rewards/accuracies")
        found = [float(trainer.callback_metrics[x]) for x in names if x in trainer.callback_metrics]
        if found:
            outcome = {"hp/reward_accuracy": found[0]}
            write_settings(trainer, dict(pl_module.hparams), outcome)


class SampleTexts(Callback):
    """Logs the policy's answers to the first prompts of the first batch, decoded greedily.

    The texts of different steps can be compared; the training's random state does not change.

    Args:
        every_n_steps: optimiser steps between two sets of answers.
        count: number of prompts.
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
            prompts = [prompt_ids(batch, *place) for place in places[: self.count]]
            # with a sharded policy, all processes generate together from the same prompts
            self._prompts = trainer.strategy.broadcast([prompt.cpu() for prompt in prompts])

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: TreeBatch,
        batch_idx: int,
    ) -> None:
        step = trainer.global_step
        module: Any = pl_module
        due = step % self.every_n_steps == 0 and step != self._last_step
        if not due or not any_process(takes_texts(trainer), pl_module.device):
            return
        if not (module.sharded or trainer.is_global_zero):
            return
        self._last_step = step
        for index, text in enumerate(self._answers(pl_module)):
            write_text(trainer, f"samples/{index}", markdown_code(text))

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
                    synced_gpus=pl_module.sharded,
                )[0, ids.shape[1] :]
                texts.append(str(tokenizer.decode(answer, skip_special_tokens=True)))
        pl_module.train()
        return texts
