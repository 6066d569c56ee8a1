"""The sides of `benchmarks.dpo`: ways to spend one epoch on the same chains.

One optimiser step a chain, AdamW, sigmoid loss, the reference's log-probabilities computed in the
measured time. Every side reports its first step's loss, log-probabilities and gradient.
"""

from __future__ import annotations

import importlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain as joined
from typing import Any

import torch
from peft import LoraConfig, PeftModel
from torch import Tensor

from benchmarks.harness import timed
from benchmarks.rows import RowBatch, lay_out_rows, row_log_probabilities
from relgen.dpo import (
    ChainTokens,
    PairLogProbabilities,
    TreeBatch,
    pack,
    tree_log_probabilities,
    tree_losses,
)
from relgen.dpo.losses import log_ratio_difference, sigmoid_loss
from relgen.dpo.microbatch import PairLoss, TreeLosses
from relgen.models import reference

BETA = 0.1
LEARNING_RATE = 1e-4
BRANCH_TOKENS = 384
"""Tokens of branches that `tree-parts` takes at a time."""
TOKENS_A_BATCH = 4096
"""Tokens that `pairs` packs at once, and that `rows` takes at once, padding aside."""


def lora_config() -> LoraConfig:
    """r = 16 on all linear layers."""
    return LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM")


@dataclass
class Epoch:
    """What one epoch came to: the first step's values, and the tokens that went through the model.

    Args:
        loss: of the first step.
        log_probabilities: (2, B), of the first chain's chosen and rejected completions in their
            order; of TRL means of a batch, which is what it records.
        gradient: (P,), of all trainable weights before the first step, in float32 on the CPU.
        tokens: through the policy, padding included; the reference reads as many again.
    """

    loss: float
    log_probabilities: Tensor
    gradient: Tensor
    tokens: int


@dataclass
class Layout:
    """Some of a chain's pairs in a layout, with what reads it.

    Args:
        tokens: of the layout, padding included.
        log_probabilities: of the pairs, under a model.
        by_parts: their losses where that is more than one pass; None for those of
            `log_probabilities`.
    """

    tokens: int
    log_probabilities: Callable[[Any], PairLogProbabilities]
    by_parts: Callable[[Any, PairLoss], TreeLosses] | None = None

    def losses(self, policy: PeftModel, loss: PairLoss) -> TreeLosses:
        """Their losses under a policy."""
        if self.by_parts is not None:
            return self.by_parts(policy, loss)
        found = self.log_probabilities(policy)
        losses = loss(found, slice(None))
        detached = PairLogProbabilities(*(values.detach() for values in found))
        return TreeLosses(losses.sum(), losses.detach(), detached)


def relgen_epoch(side: str, policy: PeftModel, chains: Sequence[ChainTokens]) -> Epoch:
    """One epoch in relgen's layouts.

    Args:
        side: as for `layout_of`.
        policy: base with a LoRA adapter; trained.
        chains: one optimiser step each.
    """
    layout = layout_of(side)
    weights = [p for p in policy.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=LEARNING_RATE, weight_decay=0.0)
    epoch: Epoch | None = None
    tokens = 0
    for chain in chains:
        total, found = 0.0, []
        for part in layout(chain, policy.device):
            with reference(policy) as frozen:
                base = part.log_probabilities(frozen)
            losses = part.losses(policy, partial(_sigmoid, base))
            loss = losses.total / len(chain.chosen)
            loss.backward()
            tokens += part.tokens
            total += float(loss)
            found.append(torch.stack(losses.policy).float().cpu())
        if epoch is None:
            epoch = Epoch(total, torch.cat(found, dim=1), gradient_of(weights), tokens=0)
        optimizer.step()
        optimizer.zero_grad()
    assert epoch is not None
    return replace(epoch, tokens=tokens)


def warm_up(side: str, policy: PeftModel, chains: Sequence[ChainTokens]) -> None:
    """Run one pass forward and back on a GPU that is not measured, so that its kernels load.

    Args:
        side: as for `layout_of`; of `trl`, the plain rows.
        policy: base with adapter; its weights stay as they are.
        chains: those to come.
    """
    if policy.device.type != "cuda":
        return
    layout = layout_of("rows" if side == "trl" else side)
    for chain in chains[:1]:
        part = next(layout(chain, policy.device))
        part.log_probabilities(policy).chosen.sum().backward()
        with reference(policy) as frozen:
            part.log_probabilities(frozen)
    policy.zero_grad()


def layout_of(side: str) -> Callable[[ChainTokens, torch.device], Iterator[Layout]]:
    """How a side lays a chain out: `tree`, `tree-parts`, `tree-plain`, `pairs`, `rows`."""
    return {
        "tree": _tree,
        "tree-parts": _tree_in_parts,
        "tree-plain": _tree,
        "pairs": _pairs,
        "rows": _rows,
    }[side]


def trl_epoch(
    base: Any,
    start: Callable[[Any], None],
    chains: Sequence[ChainTokens],
    tokenizer: Any,
    *,
    batch: int,
    precompute: bool,
    bfloat16: bool,
    before: Callable[[], None],
) -> tuple[float, Epoch]:
    """Train for one epoch in TRL's trainer.

    Args:
        base: the model; the trainer puts the adapter on, and takes it off for the reference.
        start: gives the adapter its first values.
        chains: all with the same number of pairs, a multiple of `batch`.
        tokenizer: for padding only: the ids are those of the other sides.
        batch: pairs at once; as many batches as a chain needs are accumulated.
        precompute: compute the reference's log-probabilities before the epoch.
        bfloat16: train in its mixed precision.
        before: called when everything is ready.

    Returns the seconds of the epoch and of the reference's log-probabilities, and its values.
    """
    from datasets import Dataset

    trl: Any = importlib.import_module("trl")
    rows = Dataset.from_list([row for chain in chains for row in _trl_rows(chain)])
    tokens = sum(_padded(chain, batch) for chain in chains)
    epoch = Epoch(0.0, torch.empty(0), torch.empty(0), tokens)

    class SameRows(trl.DPOTrainer):
        """Trains on ids that are given: joined texts could be tokenised otherwise."""

        reference_seconds = 0.0

        def _prepare_dataset(self, *_: Any, **__: Any) -> Dataset:
            return rows

        def _precompute_ref_logps(self, *args: Any, **options: Any) -> Dataset:
            work = partial(super()._precompute_ref_logps, *args, **options)
            seconds, table = timed(work)
            self.reference_seconds += seconds
            return table

    trainer = SameRows(
        model=base,
        args=_trl_config(trl, batch, len(chains[0].chosen) // batch, precompute, bfloat16),
        # what the constructor looks at; the rows above are what is trained on
        train_dataset=Dataset.from_list([{"prompt": "", "chosen": "", "rejected": ""}]),
        processing_class=tokenizer,
        peft_config=lora_config(),
    )
    trainer.add_callback(_first_step(epoch, trainer))
    start(trainer.model)
    warm_up("trl", trainer.model, chains)
    before()
    seconds, _ = timed(trainer.train)
    return seconds + trainer.reference_seconds, epoch


def _trl_config(trl: Any, batch: int, accumulate: int, precompute: bool, bfloat16: bool) -> Any:
    """Return the settings of TRL's trainer that make it compute the same as the other sides."""
    cuda = torch.cuda.is_available()
    return trl.DPOConfig(
        output_dir=tempfile.mkdtemp(prefix="trl-"),
        beta=BETA,
        loss_type=["sigmoid"],
        max_length=None,
        learning_rate=LEARNING_RATE,
        lr_scheduler_type="constant",
        weight_decay=0.0,
        max_grad_norm=0.0,
        num_train_epochs=1,
        per_device_train_batch_size=batch,
        gradient_accumulation_steps=accumulate,
        train_sampling_strategy="sequential",
        precompute_ref_log_probs=precompute,
        gradient_checkpointing=False,
        bf16=bfloat16,
        use_cpu=not cuda,
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=cuda,
    )


def _first_step(epoch: Epoch, trainer: Any) -> Any:
    """Return a callback that keeps the first step's loss, log-probabilities and gradient."""
    from transformers import TrainerCallback

    class FirstStep(TrainerCallback):
        def on_pre_optimizer_step(
            self, args: Any, state: Any, control: Any, model: Any = None, **_: Any
        ) -> None:
            if state.global_step == 0:
                epoch.gradient = gradient_of([p for p in model.parameters() if p.requires_grad])
                means = trainer._metrics["train"]  # a number for each batch of the step
                names = ("logps/chosen", "logps/rejected")
                epoch.log_probabilities = torch.tensor([means[name] for name in names])

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            if state.global_step == 1 and "loss" in logs:
                epoch.loss = float(logs["loss"])

    return FirstStep()


def _sigmoid(base: PairLogProbabilities, policy: PairLogProbabilities, pairs: slice) -> Tensor:
    """(b,), of some of the pairs whose reference is given."""
    chosen, rejected = (values[pairs] for values in base)
    return sigmoid_loss(log_ratio_difference(*policy, chosen, rejected), beta=BETA)


def _tree(chain: ChainTokens, device: torch.device) -> Iterator[Layout]:
    yield _packed([chain], device)


def _tree_in_parts(chain: ChainTokens, device: torch.device) -> Iterator[Layout]:
    yield _packed([chain], device, branch_tokens=BRANCH_TOKENS)


def _pairs(chain: ChainTokens, device: torch.device) -> Iterator[Layout]:
    for taken in _in_batches(chain, lambda pair: pair.tree_tokens):
        yield _packed(taken, device)


def _in_batches(
    chain: ChainTokens, tokens: Callable[[ChainTokens], int]
) -> Iterator[list[ChainTokens]]:
    """Yield a chain's pairs, each by itself, as many at once as `TOKENS_A_BATCH` allows, or one."""
    alone = [_one_pair(chain, step) for step in range(len(chain.chosen))]
    while alone:
        size, taken = 0, list[ChainTokens]()
        while alone and (not taken or size + tokens(alone[0]) <= TOKENS_A_BATCH):
            size += tokens(alone[0])
            taken.append(alone.pop(0))
        yield taken


def _packed(
    chains: Sequence[ChainTokens],
    device: torch.device,
    branch_tokens: int | None = None,
) -> Layout:
    batch = pack(chains)
    moved = TreeBatch._make(v.to(device) if isinstance(v, Tensor) else v for v in batch)

    def losses(policy: Any, loss: PairLoss) -> TreeLosses:
        return tree_losses(policy, moved, loss, branch_tokens=branch_tokens)

    reads = partial(tree_log_probabilities, batch=moved)
    return Layout(batch.tokens, reads, losses)


def _rows(chain: ChainTokens, device: torch.device) -> Iterator[Layout]:
    for taken in _in_batches(chain, lambda pair: pair.row_tokens):
        rows = lay_out_rows(taken)
        moved = RowBatch._make(value.to(device) for value in rows)
        yield Layout(rows.input_ids.numel(), partial(row_log_probabilities, rows=moved))


def _one_pair(chain: ChainTokens, step: int) -> ChainTokens:
    """One pair as a chain of its own: what came before is its prefix."""
    shown = chain.demonstrations[: step + 1]
    return replace(
        chain,
        prefix=[*chain.prefix, *joined.from_iterable(shown[:-1])],
        demonstrations=[shown[-1]],
        chosen=[chain.chosen[step]],
        rejected=[chain.rejected[step]],
        kinds=[chain.kinds[step]],
    )


def _trl_rows(chain: ChainTokens) -> Iterator[dict[str, list[int]]]:
    for step in range(len(chain.chosen)):
        pair = _one_pair(chain, step)
        prompt = [*pair.prefix, *pair.demonstrations[0], *pair.cue]
        yield {
            "prompt_ids": prompt,
            "chosen_ids": pair.chosen[0],
            "rejected_ids": pair.rejected[0],
        }


def _padded(chain: ChainTokens, batch: int) -> int:
    """Return the number of tokens that TRL's collator makes of a chain, padding included."""
    total = 0
    rows = list(_trl_rows(chain))
    for first in range(0, len(rows), batch):
        longest = max(
            len(row["prompt_ids"]) + max(len(row["chosen_ids"]), len(row["rejected_ids"]))
            for row in rows[first : first + batch]
        )
        total += 2 * len(rows[first : first + batch]) * longest
    return total


def gradient_of(weights: Sequence[Tensor]) -> Tensor:
    """(P,), of those that have one, in float32 on the CPU."""
    flat = [weight.grad.flatten() for weight in weights if weight.grad is not None]
    return torch.cat(flat).float().cpu()
