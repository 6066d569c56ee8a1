"""DPO over packed prefix trees, as a LightningModule.

Policy and reference are one base model with its LoRA adapter on and off. What a step computes is in
`relgen.dpo`; accumulation, clipping, precision, devices and checkpoints are keys of the Trainer.
"""

from __future__ import annotations

import warnings
from functools import cached_property, partial
from typing import Any, Literal

import torch
from lightning.pytorch import Callback, LightningModule
from lightning.pytorch.cli import OptimizerCallable
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from peft import PeftModel
from torch import Tensor
from torch.nn import Module
from torch.nn.modules.module import _IncompatibleKeys
from transformers import get_scheduler
from transformers.modeling_layers import GradientCheckpointingLayer

from lightning_modules.callbacks.dpo import SampleTexts, SaveAdapter, Settings
from lightning_modules.callbacks.last_checkpoint import last_checkpoint
from lightning_modules.callbacks.loggers import MetricHistory
from lightning_modules.callbacks.speed import Speed
from lightning_modules.callbacks.step_seeds import StepSeeds
from lightning_modules.utils.checkpoint_files import own_state
from lightning_modules.utils.distributed import any_process, share_of_processes
from lightning_modules.utils.metric_states import load_metric_states, metric_states
from lightning_modules.utils.optimizer import build_optimizer, training_steps
from lightning_modules.utils.pair_metrics import PairMetrics
from lightning_modules.utils.sharding import check_shardable, shard
from relgen.common import (
    BelowHalf,
    BelowOne,
    DType,
    InputError,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    Quantization,
    checks_numbers,
    resolved,
)
from relgen.dpo import (
    DecoderSizes,
    LossName,
    MemoryEstimate,
    PairLogProbabilities,
    PreferenceLoss,
    ReferenceCache,
    StepMemory,
    TreeBatch,
    optimizer_bytes,
    read_sizes,
    tree_difference,
    tree_log_probabilities,
    tree_losses,
)
from relgen.models import (
    EMBEDDED_LANGUAGE_MODEL,
    add_lora,
    check_architecture,
    device_memory,
    find_device,
    fingerprint,
    load_language_model,
    reference,
)

_BRANCH_TOKENS = 384
"""Tokens of branches at a time where a whole tree does not fit; larger parts were no faster."""
_SHARE_OF_MEMORY = 0.8
"""The part of a device's memory that a step's estimate may take; allocators and kernels need more
than is estimated."""


class DPOModule(LightningModule):
    """Tunes a LoRA adapter to prefer correct and different samples.

    Args:
        model: embedded name, local folder, GGUF file or Hub id of the base model.
        dtype: dtype of those weights of the base that are not quantised.
        quantization: `nf4` for QLoRA, null for LoRA.
        double_quantization: with `nf4`, quantise the quantisation constants as well.
        compute_dtype: dtype in which 4-bit layers compute.
        branch_tokens: compute the gradients of about this many tokens of branches at a time, for
            less memory (`relgen.dpo.microbatch`). null: the whole batch if its estimate fits
            into the device, else 384 tokens, also if the memory cannot be estimated. Ignored if
            layers are sharded.
        gradient_checkpointing: recompute layers in the backward pass: less memory, more time.
        lora_rank: rank r of the adapter's matrices.
        lora_alpha: strength of the adapter; its update is scaled by alpha / r.
        lora_dropout: dropout on the adapter's input; the base never has any.
        lora_target_modules: names of the layers that get an adapter, or `all-linear`.
        lora_seed: random seed of the adapter's initial values.
        loss: preference loss: sigmoid (DPO), ipo, hinge or robust (`relgen.dpo.losses`).
        beta: strength of the pull towards the reference.
        label_smoothing: assumed share of pairs with swapped labels (`sigmoid` and `robust`).
        nll_weight: weight of the chosen completion's negative log-likelihood per token.
        length_normalised: divide log-probabilities by the completions' lengths in tokens.
        keep_reference: cache the reference's log-probabilities of each chain.
        optimizer: builds the optimiser; it gets the trainable parameters only.
        warmup_steps: optimiser steps before the full learning rate; the first has none.
        schedule: schedule of the learning rate after the warm-up.
        sample_every_n_steps: write a few samples of the policy's text to the logger; 0 is never.
        sample_count: number of samples to write each time.
    """

    policy: PeftModel
    base_fingerprint = ""
    sharded = False
    tokens_seen = 0

    @checks_numbers
    def __init__(
        self,
        model: str = EMBEDDED_LANGUAGE_MODEL,
        dtype: DType = "float32",
        quantization: Quantization | None = None,
        double_quantization: bool = True,
        compute_dtype: DType = "bfloat16",
        branch_tokens: PositiveInt | None = None,
        gradient_checkpointing: bool = False,
        lora_rank: PositiveInt = 16,
        lora_alpha: PositiveInt = 32,
        lora_dropout: BelowOne = 0.0,
        lora_target_modules: str | list[str] = "all-linear",
        lora_seed: int = 0,
        loss: LossName = "sigmoid",
        beta: PositiveFloat = 0.1,
        label_smoothing: BelowHalf = 0.0,
        nll_weight: NonNegativeFloat = 0.0,
        length_normalised: bool = False,
        keep_reference: bool = True,
        optimizer: OptimizerCallable = torch.optim.AdamW,
        warmup_steps: NonNegativeInt = 0,
        schedule: Literal["constant", "linear", "cosine"] = "cosine",
        sample_every_n_steps: NonNegativeInt = 0,
        sample_count: PositiveInt = 3,
    ) -> None:
        super().__init__()
        self.save_hyperparameters(ignore=["optimizer"])
        self.strict_loading = False
        self.model = model
        self.dtype_name = dtype = resolved(dtype)
        self.quantization = quantization
        self.double_quantization = double_quantization
        self.compute_dtype = compute_dtype
        self.branch_tokens = branch_tokens
        self.gradient_checkpointing = gradient_checkpointing
        self.lora_rank = lora_rank
        self.lora_alpha = lora_alpha
        self.lora_dropout = lora_dropout
        self.lora_target_modules = lora_target_modules
        self.lora_seed = lora_seed
        self.loss = PreferenceLoss(loss, beta, label_smoothing, nll_weight, length_normalised)
        self.keep_reference = keep_reference
        self.optimizer = optimizer
        self.warmup_steps = warmup_steps
        self.schedule = schedule
        self.sample_every_n_steps = sample_every_n_steps
        self.sample_count = sample_count
        self.train_metrics = PairMetrics()
        self.val_metrics = PairMetrics()
        self.references = ReferenceCache(f"{model} {dtype} {quantization} {compute_dtype}")

    def configure_model(self) -> None:
        """Load the base and add the adapter; a second call does nothing."""
        if "policy" in self._modules:
            return
        if self.device_mesh is not None:
            check_shardable(self.quantization)
        check_architecture(self.model, "tuning", tree_difference)
        base = load_language_model(
            self.model,
            dtype=self.dtype_name,
            quantization=self.quantization,
            double_quantization=self.double_quantization,
            compute_dtype=self.compute_dtype,
            device=None if self._trainer is None else self._trainer.strategy.root_device,
            working=lambda memory: self._working_bytes(),
            fewer="lower data.token_budget, set model.gradient_checkpointing",
            trained=True,
        )
        self.base_fingerprint = fingerprint(base)
        if self.gradient_checkpointing:
            base.gradient_checkpointing_enable({"use_reentrant": False})
        self.policy = add_lora(
            base,
            rank=self.lora_rank,
            alpha=self.lora_alpha,
            dropout=self.lora_dropout,
            target_modules=self.lora_target_modules,
            seed=self.lora_seed,
        )
        if self.device_mesh is not None:
            shard(self.policy, self.device_mesh)
            self.sharded = True
        self.train(self.training)

    def train(self, mode: bool = True) -> DPOModule:
        """Train the adapter; the base stays in eval mode, so that the reference has no dropout."""
        super().train(mode)
        for name, module in self.named_modules():
            if name.startswith("policy"):
                module.training = mode and _may_train(name, module)
        return self

    def training_step(self, batch: TreeBatch, batch_idx: int) -> Tensor:
        """Return the mean loss of the batch's pairs, weighted by this process's share of them."""
        loss, metrics = self.model_step(batch, self.reference_log_probabilities(batch))
        share = share_of_processes(loss.new_tensor(float(batch.pairs)))
        self.log_training(batch, metrics, share)
        return loss * share

    def validation_step(self, batch: TreeBatch, batch_idx: int) -> None:
        _, metrics = self.model_step(batch, self.reference_log_probabilities(batch))
        self.val_metrics.add(metrics, batch.kinds)
        for name, metric in self.val_metrics.items():
            self.log(f"val/{name}", metric, prog_bar=name == "loss")  # type: ignore[arg-type]

    def reference_log_probabilities(self, batch: TreeBatch) -> PairLogProbabilities:
        """Return the log-probabilities of the base with its adapter off, cached if possible."""
        known = self.references.get(batch) if self.keep_reference else None
        # where layers are sharded, every process takes part in every forward pass
        missing = any_process(known is None, self.device) if self.sharded else known is None
        if known is not None and not missing:
            return known
        with reference(self.policy) as frozen:
            values = tree_log_probabilities(frozen, batch)
        if self.keep_reference:
            self.references.put(batch, values)
        return values

    def model_step(
        self, batch: TreeBatch, frozen: PairLogProbabilities
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the mean loss of B pairs, (), and each pair's metrics under TRL's names, (B,).

        `frozen` are the log-probabilities of the reference.
        Where memory demands it, `tree_losses` takes some branches at a time and has run their
        backward passes when it returns: the backward pass of its `total` then only adds the
        gradients that it kept, and those of the trunk.
        """
        tokens = batch.completion_tokens.view(2, -1)  # (2, B)

        def losses(policy: PairLogProbabilities, pairs: slice) -> Tensor:
            some = PairLogProbabilities(*(values[pairs] for values in frozen))
            return self.loss.losses(policy, some, tokens[:, pairs])

        precision = "32-true" if self._trainer is None else str(self.trainer.precision)
        parts = torch.is_grad_enabled()
        branch_tokens = self.micro_batch_tokens(batch, precision) if parts else None
        found = tree_losses(self.policy, batch, losses, branch_tokens=branch_tokens)
        chosen, rejected = self.loss.rewards(found.policy, frozen, tokens)
        margins = chosen - rejected
        metrics = {
            "loss": found.losses,
            "rewards/chosen": chosen,
            "rewards/rejected": rejected,
            "rewards/margins": margins,
            "rewards/accuracies": (margins > 0).to(margins.dtype),
            "logps/chosen": found.policy.chosen,
            "logps/rejected": found.policy.rejected,
        }
        return found.total / batch.pairs, metrics

    def log_training(self, batch: TreeBatch, metrics: dict[str, Tensor], share: Tensor) -> None:
        """Log a step's metrics, and the epoch's so far; `share` is that of `share_of_processes`."""
        self.tokens_seen += batch.tokens
        self.train_metrics.add(metrics, batch.kinds)
        means = {name: values.mean() * share for name, values in metrics.items()}
        self.log_dict(means, batch_size=batch.pairs, prog_bar=True, sync_dist=True)
        for name, metric in self.train_metrics.items():
            # not per step: a batch need not hold all kinds
            shown = f"epoch/{name}" if name in means else name
            self.log(shown, metric, on_step=False, on_epoch=True)  # type: ignore[arg-type]
        self.log("tokens_saved", 1 - batch.tokens / batch.row_tokens, batch_size=1, sync_dist=True)
        self.log("tokens_seen", float(self.tokens_seen), sync_dist=True, reduce_fx="sum")

    def on_fit_start(self) -> None:
        # the frozen base is in eval mode on purpose
        warnings.filterwarnings("ignore", message=r"Found \d+ module\(s\) in eval mode")

    def on_train_batch_start(self, batch: TreeBatch, batch_idx: int) -> None:
        check_base_in_eval(self.policy)

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        trainable = [p for p in self.parameters() if p.requires_grad]
        optimizer = build_optimizer(self.optimizer, trainable)
        constant = self.schedule == "constant"
        scheduler = get_scheduler(
            "constant_with_warmup" if constant else self.schedule,
            optimizer,
            self.warmup_steps,
            None if constant else training_steps(self.trainer),
        )
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": scheduler, "interval": "step"},
        }

    def configure_callbacks(self) -> list[Callback]:
        speed = Speed(lambda batch: {"tokens": batch.tokens, "pairs": batch.pairs})
        callbacks: list[Callback] = [MetricHistory(), SaveAdapter(), StepSeeds()]
        callbacks += [Settings(), speed, *last_checkpoint(self.trainer)]
        if self.sample_every_n_steps:
            callbacks.append(SampleTexts(self.sample_every_n_steps, self.sample_count))
        return callbacks

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        keys = self.adapter_keys()
        state = checkpoint["state_dict"]
        checkpoint["state_dict"] = {key: state[key] for key in state if key in keys}
        checkpoint["relgen_dpo"] = {
            "base_model": self.model,
            "base_fingerprint": self.base_fingerprint,
            "references": self.references.state_dict(),
            "tokens_seen": self.tokens_seen,
            "train_metrics": metric_states(self.train_metrics),
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore all but weights; raise InputError for another kind of run or base model."""
        self.configure_model()
        state = own_state(checkpoint, "dpo")
        if state["base_fingerprint"] != self.base_fingerprint:
            raise InputError(
                "this checkpoint was made with another base model",
                field="ckpt_path",
                value=state["base_model"],
                remedy=f"set model to {state['base_model']}, or start a new run",
            )
        self.references.load_state_dict(state["references"])
        self.tokens_seen = state["tokens_seen"]
        load_metric_states(self.train_metrics, state["train_metrics"], self.global_rank)

    def load_state_dict(
        self, state_dict: Any, strict: bool = False, assign: bool = False
    ) -> _IncompatibleKeys:
        """Load the adapter; raise InputError unless the keys are exactly the adapter's."""
        wanted, got = self.adapter_keys(), set(state_dict)
        if wanted != got:
            raise InputError(
                f"the checkpoint does not hold this adapter: weights missing: {len(wanted - got)}, "
                f"unknown: {len(got - wanted)}",
                field="ckpt_path",
                value=sorted(wanted ^ got)[0],
                remedy="use the same lora_target_modules as the run that wrote it",
            )
        super().load_state_dict(state_dict, strict=False, assign=assign)
        return _IncompatibleKeys([], [])

    def adapter_keys(self) -> set[str]:
        """Return the keys of the trainable weights in `state_dict()`."""
        return {name for name, parameter in self.named_parameters() if parameter.requires_grad}

    def estimate_memory(self, batch: TreeBatch, precision: str = "32-true") -> MemoryEstimate:
        """Estimate a step's memory without loading weights; raise InputError where it cannot."""
        if self._sizes is None:
            raise InputError(
                "memory can be estimated for dense decoders with gated feed-forward layers only",
                field="model",
                value=self.model,
                remedy="run without --estimate, or choose a model of Llama's, Qwen's or Mistral's "
                "form",
            )
        branch_tokens = self.micro_batch_tokens(batch, precision)
        return self._estimate(self._sizes, batch, precision, branch_tokens)

    def _working_bytes(self) -> int:
        """Return what the first epoch's heaviest step takes beside the weights; 0 if unknown."""
        if self._trainer is None or self.device_mesh is not None or self._sizes is None:
            return 0
        data: Any = self.trainer.datamodule  # type: ignore[attr-defined]
        if not self.trainer.training or data is None:
            return 0
        batch = data.heaviest_batch(1, self.trainer.world_size)
        found = self.estimate_memory(batch, self.trainer.precision)
        return found.total - found.weights

    def micro_batch_tokens(self, batch: TreeBatch, precision: str = "32-true") -> int | None:
        """Return how many tokens of a batch's branches to compute at a time; None for all."""
        if self.sharded:
            return None
        if self.branch_tokens is not None:
            return self.branch_tokens
        # micro-batches compute their gradients before float16's loss scaling
        if precision.startswith("16"):
            return None
        # of the batch alone, so that a resumed run decides as the interrupted one did
        fits = self._sizes is not None and self._fits(
            self._estimate(self._sizes, batch, precision, None)
        )
        return None if fits else _BRANCH_TOKENS

    @cached_property
    def _sizes(self) -> DecoderSizes | None:
        return read_sizes(self.model, rank=self.lora_rank, target_modules=self.lora_target_modules)

    @cached_property
    def _optimizer_bytes(self) -> int:
        dtype = torch.float64 if self.dtype_name == "float64" else torch.float32
        return optimizer_bytes(partial(build_optimizer, self.optimizer), dtype)

    def _estimate(
        self, sizes: DecoderSizes, batch: TreeBatch, precision: str, branch_tokens: int | None
    ) -> MemoryEstimate:
        memory = StepMemory(
            sizes,
            dtype=self.dtype_name,
            quantized=self.quantization is not None,
            double_quantization=self.double_quantization,
            autocast="mixed" in precision,
            dropout=self.lora_dropout > 0,
            recompute=self.gradient_checkpointing,
            on_cpu=self._root_device.type == "cpu",
        )
        return memory.estimate(batch, self._optimizer_bytes, branch_tokens)

    def _fits(self, estimate: MemoryEstimate) -> bool:
        """Return whether a step fits into its device; the processes of a machine share its CPU."""
        device = self._root_device
        shared = device.type != "cuda" and self._trainer is not None
        processes = self.trainer.num_devices if shared else 1
        return estimate.total <= _SHARE_OF_MEMORY * device_memory(device) / processes

    @property
    def _root_device(self) -> torch.device:
        return find_device(None) if self._trainer is None else self.trainer.strategy.root_device


def check_base_in_eval(policy: PeftModel) -> None:
    """Raise RuntimeError if a module of the base trains: the reference must have no dropout."""
    for name, module in policy.named_modules():
        if module.training and not _may_train(name, module):
            raise RuntimeError(
                f"module '{name}' of the base is in train mode; call train() on the DPOModule, not "
                "on the model inside it"
            )


def _may_train(name: str, module: Module) -> bool:
    """Return whether a module is part of the adapter, or a decoder layer.

    A decoder layer has no dropout itself; gradient checkpointing asks it whether it trains.
    """
    return "lora_" in name or isinstance(module, GradientCheckpointingLayer)
