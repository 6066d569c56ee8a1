"""Log-probabilities of target tokens under a frozen LM head, without keeping logits.

A target's log-probability is one number, so its gradient with respect to the head's input is one
vector times the incoming gradient:

    ∂ log p(t | x) / ∂x = W_t - Σ_v p(v | x) W_v

The forward pass computes this vector and keeps it instead of the logits: D numbers per target,
where autograd would keep several times V. Logits are computed for a part of the vocabulary at a
time, with a running maximum (Milakov and Gimelshein, arXiv 1805.02867), so that they fit into a
cache. The number of products is that of autograd.
"""

from __future__ import annotations

import math
from typing import Any, TypeGuard

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from relgen.kernels.onednn_linear import has_autocast, is_dense, linear, matmul
from relgen.kernels.switch import in_use

_TARGETS_AT_ONCE = 2048
_ALIGNED = 64
"""Parts of the vocabulary are multiples of this, since kernels are faster with these."""
_LOG2_E = math.log2(math.e)


def logits_at_once(device: str) -> int:
    """Return how many logits to compute at once: 16 MiB on a CPU, 64 MiB on other devices.

    On a GPU, launching smaller kernels costs more than it saves.
    """
    return 1 << 22 if device == "cpu" else 1 << 24


def head_log_probabilities(head: nn.Module, states: Tensor, ids: Tensor) -> Tensor:
    """Return the log-probability of each target, log softmax(head(x))[target], (T,).

    In float32 if the head computes in half precision.

    `states` (T, D) are the inputs of the head, and `ids` (T,) the targets. No logits are kept if
    the head is dense and frozen.
    """
    if in_use("head") and is_frozen_head(head):
        return _frozen_head_log_probabilities(head, states, ids)
    return token_log_probabilities(head(states), ids)


def token_log_probabilities(logits: Tensor, ids: Tensor) -> Tensor:
    """Return the log-probability of each id, (T,), of logits (T, V), in float32 or wider."""
    if logits.dtype in (torch.bfloat16, torch.float16):
        logits = logits.float()
    # one pass over the vocabulary; gather and logsumexp would be several
    return -F.cross_entropy(logits, ids, reduction="none")


def is_frozen_head(head: nn.Module) -> TypeGuard[nn.Linear]:
    """Return whether a head is dense, frozen and without hooks (which run only in a call)."""
    if not is_dense(head) or head._forward_hooks or head._forward_pre_hooks:
        return False
    return not any(parameter.requires_grad for parameter in head.parameters())


def _frozen_head_log_probabilities(head: nn.Linear, states: Tensor, ids: Tensor) -> Tensor:
    weight: Tensor = head.weight
    bias: Tensor | None = head.bias
    device = states.device.type
    if has_autocast(states):
        dtype = torch.get_autocast_dtype(device)
        # cast once; autocast would do it for every part
        weight, states = weight.to(dtype), states.to(dtype)
        bias = None if bias is None else bias.to(dtype)
    with torch.autocast(device, enabled=False):
        result: Tensor = _FrozenHead.apply(states, weight, bias, ids)
    return result


class _FrozenHead(torch.autograd.Function):
    """Maps (T, D), (V, D), (V,) and (T,) to (T,), with gradients for the first."""

    @staticmethod
    def forward(
        ctx: Any, states: Tensor, weight: Tensor, bias: Tensor | None, ids: Tensor
    ) -> Tensor:
        found, kept = [], []
        for some, targets in zip(
            states.split(_TARGETS_AT_ONCE), ids.split(_TARGETS_AT_ONCE), strict=True
        ):
            values, mean = _part(some, weight, bias, targets, with_mean=ctx.needs_input_grad[0])
            found.append(values)
            if mean is not None:
                kept.append(weight[targets] - mean.to(weight.dtype))
        ctx.save_for_backward(*kept)
        return torch.cat(found)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        towards = torch.cat(ctx.saved_tensors)  # (T, D)
        return gradient[:, None].to(towards.dtype) * towards, None, None, None


def _part(
    states: Tensor, weight: Tensor, bias: Tensor | None, ids: Tensor, *, with_mean: bool
) -> tuple[Tensor, Tensor | None]:
    """Return the log-probabilities of S targets, (S,), and Σ_v p(v | x) W_v, (S, D), or None."""
    words = max(1, logits_at_once(states.device.type) // max(1, len(states)))
    words -= words % _ALIGNED if words > _ALIGNED else 0
    dtype = torch.promote_types(states.dtype, torch.float32)
    highest = states.new_full((len(states), 1), torch.finfo(dtype).min, dtype=dtype)
    target, total = (torch.zeros_like(highest) for _ in range(2))
    mean = torch.zeros_like(states, dtype=dtype) if with_mean else None
    for start in range(0, len(weight), words):
        some = weight[start : start + words]
        logits = linear(states, some, None if bias is None else bias[start : start + words])
        logits = logits.to(dtype)  # (S, words)
        places = ids[:, None] - start
        here = logits.gather(-1, places.clamp(0, len(some) - 1))
        target = torch.where((places >= 0) & (places < len(some)), here, target)
        before, highest = highest, torch.maximum(highest, logits.amax(-1, keepdim=True))
        fewer = (before - highest).exp_()
        # torch's exp2 takes a quarter of the time of its exp
        logits.sub_(highest).mul_(_LOG2_E).exp2_()
        total = total.mul_(fewer).add_(logits.sum(-1, keepdim=True))
        if mean is not None:
            logits = logits.to(weight.dtype)
            mean.mul_(fewer).add_(matmul(logits, some))
    values = (target - highest - total.log())[:, 0]
    return values, None if mean is None else mean.div_(total)
