"""Log-probabilities of target tokens under a frozen LM head, without keeping logits.

A target's log-probability is one number, so its gradient towards the head's input is one vector
times whatever comes from above:

    ∂ log p(t | x) / ∂x = W_t - Σ_v p(v | x) W_v

That vector is worked out while the logits are there, and kept in their place: D numbers for a
target where autograd would keep several times V. The products are those of autograd; their number
does not change.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from relgen.products import is_dense, linear, matmul

LOGITS_AT_ONCE = 1 << 24
"""Logits, targets times vocabulary, that are there at once: 64 MiB in float32."""


def is_frozen_head(head: nn.Module) -> bool:
    """Whether a head is one that `frozen_head_log_probabilities` computes: dense, without training.

    A head with hooks is called as a module, and is none of these.
    """
    if not is_dense(head) or head._forward_hooks or head._forward_pre_hooks:
        return False
    return not any(parameter.requires_grad for parameter in head.parameters())


def frozen_head_log_probabilities(head: nn.Linear, states: Tensor, ids: Tensor) -> Tensor:
    """Log-probability of each target.

    Args:
        head: V outputs, see `is_frozen_head`.
        states: (T, D) the head's inputs.
        ids: (T,) the targets.

    Returns:
        (T,), in float32 where the head computes in half precision.
    """
    weight: Tensor = head.weight
    bias: Tensor | None = head.bias
    device = states.device.type
    # a tensor without content has no autocast
    if not states.is_meta and torch.is_autocast_enabled(device):
        dtype = torch.get_autocast_dtype(device)
        # once, where autocast would do it for every part
        weight, states = weight.to(dtype), states.to(dtype)
        bias = None if bias is None else bias.to(dtype)
        with torch.autocast(device, enabled=False):
            return _apply(states, weight, bias, ids)
    return _apply(states, weight, bias, ids)


def _apply(states: Tensor, weight: Tensor, bias: Tensor | None, ids: Tensor) -> Tensor:
    result: Tensor = _FrozenHead.apply(states, weight, bias, ids)
    return result


class _FrozenHead(torch.autograd.Function):
    """(T, D), (V, D), (V,) and (T,) to (T,), with gradients for the first."""

    @staticmethod
    def forward(
        ctx: Any, states: Tensor, weight: Tensor, bias: Tensor | None, ids: Tensor
    ) -> Tensor:
        size = max(1, LOGITS_AT_ONCE // len(weight))
        found, kept = [], []
        for some, targets in zip(states.split(size), ids.split(size), strict=True):
            logits = linear(some, weight, bias)  # (S, V)
            if logits.dtype in (torch.bfloat16, torch.float16):
                logits = logits.float()
            highest = logits.amax(dim=-1)
            shifted = logits.sub_(highest[:, None])
            target = shifted.gather(-1, targets[:, None])[:, 0].clone()
            total = shifted.exp_().sum(dim=-1)
            found.append(target - total.log())
            if ctx.needs_input_grad[0]:
                shares = shifted.div_(total[:, None]).to(weight.dtype)
                kept.append(weight[targets] - matmul(shares, weight))  # (S, D)
        ctx.save_for_backward(*kept)
        return torch.cat(found)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        towards = torch.cat(ctx.saved_tensors)  # (T, D)
        return gradient[:, None].to(towards.dtype) * towards, None, None, None
