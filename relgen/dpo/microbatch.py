"""The loss of packed trees and its gradients, with few twigs in memory at a time.

A step keeps for its backward pass what the layers made of every token. But no twig sees another,
and no trunk sees a twig. So as soon as the losses of some twigs are known, their gradients can be
worked out, and what was kept for them goes: what they owe the trunks are gradients of the trunks'
keys and values, which add up until the trunks' own backward pass. Every token still goes forward
once and back once. In memory are the trunks and one part of the twigs.

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
    part_log_probabilities,
    tree_log_probabilities,
    trunk_states,
)
from relgen.dpo.prefix_tree import Part, TreeBatch, parts
from relgen.dpo.tree_attention import TreeAttention, TrunkStates, check_attention

PairLoss = Callable[[PairLogProbabilities, slice], Tensor]
"""Log-probabilities of b pairs, (b,) each, and which of the batch's pairs they are, to (b,)."""


class TreeLosses(NamedTuple):
    """Of B pairs.

    Args:
        total: the sum of their losses, (), to propagate back.
        losses: (B,), detached.
        policy: their log-probabilities, detached.
    """

    total: Tensor
    losses: Tensor
    policy: PairLogProbabilities


def tree_losses(
    model: nn.Module,
    batch: TreeBatch,
    loss: PairLoss,
    *,
    attention: TreeAttention = "tree",
    twig_tokens: int | None = None,
) -> TreeLosses:
    """The losses of a batch under a model.

    Args:
        model: as for `tree_log_probabilities`.
        batch: B pairs.
        loss: of each pair by itself.
        attention: as there.
        twig_tokens: take about so many tokens of twigs at a time, and have their gradients worked
            out at once; None takes all together. Only with attention `tree`; without gradients it
            makes no difference.

    Raises:
        InputError: the model's attention does not allow it (`check_attention`).
    """
    if twig_tokens is not None and attention == "tree" and torch.is_grad_enabled():
        some = parts(batch, twig_tokens)
        if len(some) > 1:
            return _part_by_part(model, batch, some, loss)
    policy = tree_log_probabilities(model, batch, attention=attention)
    losses = loss(policy, slice(0, batch.pairs))
    return TreeLosses(losses.sum(), losses.detach(), _detached(policy))


def _part_by_part(
    model: nn.Module, batch: TreeBatch, some: Sequence[Part], loss: PairLoss
) -> TreeLosses:
    check_attention(model.config, "tree")  # type: ignore[arg-type]
    trunk = trunk_states(model, batch)
    layers = list(trunk.by_layer)
    states = [state for layer in layers for state in trunk.by_layer[layer]]

    def values(part: Part, states: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """(b,) losses and (2, b) log-probabilities of a part, given the trunks' states."""
        given = TrunkStates(
            dict(zip(layers, zip(states[::2], states[1::2], strict=True), strict=True))
        )
        policy = part_log_probabilities(model, batch, part, given)
        return loss(policy, part.pairs), torch.stack(policy)

    trained = [weight for weight in model.parameters() if weight.requires_grad]
    total, losses, found = _Parts.apply(values, some, len(states), *states, *trained)
    return TreeLosses(total, losses, PairLogProbabilities(*found))


class _Parts(torch.autograd.Function):
    """The trunks' states and the trained weights to (), (B,) and (2, B); gradients for the first.

    The gradients are worked out in the forward pass, part by part.
    """

    @staticmethod
    def forward(
        ctx: Any,
        values: Callable[[Part, Sequence[Tensor]], tuple[Tensor, Tensor]],
        some: Sequence[Part],
        number_of_states: int,
        *tensors: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        # leaves of graphs that end here
        states = [t.detach().requires_grad_(t.requires_grad) for t in tensors[:number_of_states]]
        inputs = [*states, *tensors[number_of_states:]]
        wanted = [tensor for tensor in inputs if tensor.requires_grad]
        sums: list[Tensor | None] = [None] * len(wanted)
        losses, found = [], []
        for part in some:
            with torch.enable_grad():
                some_losses, log_probabilities = values(part, states)
                total = some_losses.sum()
            sums = _added(sums, torch.autograd.grad(total, wanted, allow_unused=True))
            losses.append(some_losses.detach())
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
    """Sums with what is due to each, in place where there is one."""
    return [
        old if new is None else new if old is None else old.add_(new)
        for old, new in zip(sums, more, strict=True)
    ]


def _detached(found: PairLogProbabilities) -> PairLogProbabilities:
    return PairLogProbabilities(*(values.detach() for values in found))
