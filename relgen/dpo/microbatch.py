"""The losses of packed trees and their gradients, with few branches in memory at a time.

For its backward pass, a step keeps the layers' activations of every token. But no branch sees
another, and no trunk sees a branch. So the gradients of a few branches (a micro-batch) can be
computed as soon as their losses are known, and their activations freed. The gradients with respect
to the trunks' keys and values are summed until the trunks' own backward pass. Every token still has
one forward and one backward pass; memory holds the trunks and one micro-batch.

Not for layers that are sharded over processes (this bypasses the hooks that gather their weights),
nor for float16 with loss scaling (which comes after these gradients).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from relgen.dpo.logps import (
    PairLogProbabilities,
    branch_log_probabilities,
    tree_log_probabilities,
    trunk_states,
)
from relgen.dpo.prefix_tree import MicroBatch, TreeBatch, micro_batches

PairLoss = Callable[[PairLogProbabilities, slice], Tensor]
"""Log-probabilities of b pairs, (b,) each, and their slice of the batch's pairs -> losses (b,)."""


class TreeLosses(NamedTuple):
    """The losses (B,) of B pairs and the policy's log-probabilities, detached, and `total`, ().

    `total` is the sum of the losses, to propagate back.
    """

    total: Tensor
    losses: Tensor
    policy: PairLogProbabilities


def tree_losses(
    model: nn.Module, batch: TreeBatch, loss: PairLoss, *, branch_tokens: int | None = None
) -> TreeLosses:
    """Return the losses of a batch under a model.

    Args:
        model: as for `tree_log_probabilities`.
        batch: B pairs.
        loss: computed per pair, from that pair's log-probabilities only.
        branch_tokens: process about this many tokens of branches at a time and compute their
            gradients at once; None processes all together. Without gradients it has no effect.

    Raises:
        InputError: the model's attention does not allow it (`check_attention`).
    """
    if branch_tokens is not None and torch.is_grad_enabled():
        parts = micro_batches(batch, branch_tokens)
        if len(parts) > 1:
            return _losses_in_parts(model, batch, parts, loss)
    policy = tree_log_probabilities(model, batch)
    losses = loss(policy, slice(0, batch.pairs))
    detached = PairLogProbabilities(*(values.detach() for values in policy))
    return TreeLosses(losses.sum(), losses.detach(), detached)


def _losses_in_parts(
    model: nn.Module, batch: TreeBatch, parts: Sequence[MicroBatch], loss: PairLoss
) -> TreeLosses:
    trunk = trunk_states(model, batch)

    def values(part: MicroBatch, states: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Return a part's losses, (b,), and log-probabilities, (2, b)."""
        given = dict(zip(trunk, zip(states[::2], states[1::2], strict=True), strict=True))
        policy = branch_log_probabilities(model, batch, part, given)
        return loss(policy, part.pairs), torch.stack(policy)

    states = [state for both in trunk.values() for state in both]
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    total, losses, found = _Parts.apply(values, parts, len(states), *states, *trained)
    return TreeLosses(total, losses, PairLogProbabilities(*found))


class _Parts(torch.autograd.Function):
    """Maps the trunks' states and the trained weights to total (), losses (B,), logps (2, B).

    The gradients of the total are computed in the forward pass, part by part.
    """

    @staticmethod
    def forward(
        ctx: Any,
        values: Callable[[MicroBatch, Sequence[Tensor]], tuple[Tensor, Tensor]],
        parts: Sequence[MicroBatch],
        number_of_states: int,
        *tensors: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        # cut the graph here: each part back-propagates to these
        states = [t.detach().requires_grad_(t.requires_grad) for t in tensors[:number_of_states]]
        inputs = [*states, *tensors[number_of_states:]]
        wanted = [tensor for tensor in inputs if tensor.requires_grad]
        sums: list[Tensor | None] = [None] * len(wanted)
        found = []
        for part in parts:
            with torch.enable_grad():
                own = values(part, states)
                total = own[0].sum()
            for index, more in enumerate(torch.autograd.grad(total, wanted, allow_unused=True)):
                before = sums[index]
                if more is not None:
                    sums[index] = more if before is None else before.add_(more)
            found.append([tensor.detach() for tensor in own])
        of_inputs = iter(sums)
        gradients = [next(of_inputs) if tensor.requires_grad else None for tensor in inputs]
        ctx.save_for_backward(*gradients)
        losses, log_probabilities = (torch.cat(part, dim=-1) for part in zip(*found, strict=True))
        ctx.mark_non_differentiable(losses, log_probabilities)
        return losses.sum(), losses, log_probabilities

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        scaled = (
            None if saved is None else saved * gradient.to(saved.dtype)
            for saved in ctx.saved_tensors
        )
        return None, None, None, *scaled
