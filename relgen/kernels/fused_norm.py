"""RMS norms of Llama's family, with few passes over memory.

    y = w * x / sqrt(mean(x²) + ε)

(Zhang and Sennrich, arXiv 1910.07467.)
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from relgen.kernels.onednn_linear import has_autocast

# transformers' classes of this form; they use nothing but `weight` and `variance_epsilon`
_FAMILY = frozenset({"LlamaRMSNorm", "MistralRMSNorm", "Qwen2RMSNorm", "Qwen3RMSNorm"})


class _RMSNorm(torch.autograd.Function):
    """Maps x (…, D), a frozen weight (D,) and ε to (…, D), with gradients for x."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, epsilon: float) -> Tensor:
        norm = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
        inverse = norm.square_().div_(x.shape[-1]).add_(epsilon).rsqrt_()  # (…, 1)
        ctx.save_for_backward(x, inverse, weight)
        return torch.mul(x, inverse).mul_(weight)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        x, inverse, weight = ctx.saved_tensors
        scaled = gradient * weight
        along = torch.linalg.vecdot(scaled, x)[..., None]
        along = along.mul_(inverse.pow(3)).div_(-x.shape[-1])
        return scaled.mul_(inverse).addcmul_(x, along), None, None


class FusedNorm(nn.Module):
    """A norm computed by `_RMSNorm` if it is frozen and its input is float32 or wider."""

    def __init__(self, norm: Any) -> None:
        super().__init__()
        self.weight, self.variance_epsilon = norm.weight, norm.variance_epsilon

    def forward(self, x: Tensor) -> Tensor:
        weight, epsilon = self.weight, self.variance_epsilon
        if weight.requires_grad or x.dtype != weight.dtype or x.itemsize < 4 or has_autocast(x):
            # as transformers computes it
            wide = x.to(torch.float32)
            normed = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + epsilon)
            plain: Tensor = weight * normed.to(x.dtype)
            return plain
        output: Tensor = _RMSNorm.apply(x, weight, epsilon)
        return output


def fused_norm(module: nn.Module) -> nn.Module | None:
    """Return the `FusedNorm` of an RMS norm, or None."""
    return FusedNorm(module) if type(module).__name__ in _FAMILY else None
