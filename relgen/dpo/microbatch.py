"""The loss of packed trees and its gradients, with few branches in memory at a time.

A step keeps for its backward pass what the layers computed of every token. But no branch sees
another, and no trunk sees a branch. So as soon as the losses of some branches are known, their
gradients can be computed, and what was kept for them is freed: what is left for the trunks are
gradients of the trunks' keys and values, which are summed until the trunks' own backward pass.
Every token still goes forward once and back once. In memory are the trunks and one micro-batch.

Leaves out: layers that are sharded over processes, which gather their weights in hooks that this
bypasses; and the scaling of losses for float16, which comes after these gradients.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
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
"""Log-probabilities of b pairs, (b,) each, and their places among the batch's pairs, to (b,)."""


class TreeLosses(NamedTuple):
    """The losses of B pairs.

    Args:
        total: their sum, (), to propagate back.
        losses: (B,), detached.
        policy: their log-probabilities, detached.
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
        loss: of each pair by itself.
        branch_tokens: take about so many tokens of branches at a time, and compute their gradients
            at once; None takes all together. Without gradients it makes no difference.

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
        """Return a part's losses (b,) and log-probabilities (2, b), given the trunks' states."""
        given = dict(zip(trunk, zip(states[::2], states[1::2], strict=True), strict=True))
        policy = branch_log_probabilities(model, batch, part, given)
        return loss(policy, part.pairs), torch.stack(policy)

    states = [state for both in trunk.values() for state in both]
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    total, losses, found = _Parts.apply(values, parts, len(states), *states, *trained)
    return TreeLosses(total, losses, PairLogProbabilities(*found))


class _Parts(torch.autograd.Function):
    """The trunks' states and the trained weights to (), (B,) and (2, B); gradients for the first.

    The gradients are computed in the forward pass, part by part.
    """

    @staticmethod
    def forward(
        ctx: Any,
        values: Callable[[MicroBatch, Sequence[Tensor]], tuple[Tensor, Tensor]],
        parts: Sequence[MicroBatch],
        number_of_states: int,
        *tensors: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        # leaves of graphs that end here
        states = [t.detach().requires_grad_(t.requires_grad) for t in tensors[:number_of_states]]
        inputs = [*states, *tensors[number_of_states:]]
        wanted = [tensor for tensor in inputs if tensor.requires_grad]
        sums: list[Tensor | None] = [None] * len(wanted)
        losses, found = [], []
        for part in parts:
            with torch.enable_grad():
                own_losses, log_probabilities = values(part, states)
                total = own_losses.sum()
            sums = _added(sums, torch.autograd.grad(total, wanted, allow_unused=True))
            losses.append(own_losses.detach())
            found.append(log_probabilities.detach())
        of_inputs = iter(sums)
        gradients = [next(of_inputs) if tensor.requires_grad else None for tensor in inputs]
        ctx.save_for_backward(*gradients)
        every, all_found = torch.cat(losses), torch.cat(found, dim=1)
        ctx.mark_non_differentiable(every, all_found)
        return every.sum(), every, all_found

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        scaled = (
            None if saved is None else saved * gradient.to(saved.dtype)
            for saved in ctx.saved_tensors
        )
        return None, None, None, *scaled


def _added(sums: Iterable[Tensor | None], more: Iterable[Tensor | None]) -> list[Tensor | None]:
    """Add gradients to their sums, in place where there is one."""
    return [
        old if new is None else new if old is None else old.add_(new)
        for old, new in zip(sums, more, strict=True)
    ]
