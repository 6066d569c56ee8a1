"""RMS norms of Llama's family in few passes, whose results LoRA layers need not keep.

    y = w * x / sqrt(mean(x²) + ε)

(Zhang and Sennrich, arXiv 1910.07467.) autograd keeps x for the norm and y for every layer that
reads it. y is quickly made again from x, so the layers of `relgen.kernels.fused_lora` keep what it
is made from, which is there anyway: `Normed`.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from relgen.kernels.onednn_linear import has_autocast, matmul

# transformers' classes of this form; they read `weight` and `variance_epsilon` alone
_FAMILY = frozenset({"LlamaRMSNorm", "MistralRMSNorm", "Qwen2RMSNorm", "Qwen3RMSNorm"})


class Normed(NamedTuple):
    """What a norm's output is made from.

    Args:
        x: (…, D), the norm's input.
        inverse: (…, 1), 1 / sqrt(mean(x²) + ε).
        weight: (D,).
    """

    x: Tensor
    inverse: Tensor
    weight: Tensor

    def output(self) -> Tensor:
        """(…, D), computed anew."""
        return torch.mul(self.x, self.inverse).mul_(self.weight)

    def product(self, left: Tensor) -> Tensor:
        """leftᵀ y, (r, D), of (N, r), without y: N tokens of it as rows."""
        rows = self.x.reshape(-1, self.x.shape[-1])
        return matmul((left * self.inverse.reshape(-1, 1)).T, rows).mul_(self.weight)


def normed(output: Tensor) -> Normed | None:
    """What a tensor was made from, if a norm of this module made it and nothing changed it."""
    found: tuple[Normed, int] | None = getattr(output, "relgen_normed", None)
    if found is None:
        return None
    made, version = found
    return made if version == output._version else None


class _RMSNorm(torch.autograd.Function):
    """(…, D), frozen (D,) and ε to (…, D) and (…, 1)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, epsilon: float) -> tuple[Tensor, Tensor]:
        norm = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
        inverse = norm.square_().div_(x.shape[-1]).add_(epsilon).rsqrt_()
        ctx.save_for_backward(x, inverse, weight)
        ctx.mark_non_differentiable(inverse)
        return Normed(x, inverse, weight).output(), inverse

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, _: Tensor) -> tuple[Tensor, None, None]:
        x, inverse, weight = ctx.saved_tensors
        scaled = gradient * weight
        along = torch.linalg.vecdot(scaled, x)[..., None]
        along = along.mul_(inverse.pow(3)).div_(-x.shape[-1])
        return scaled.mul_(inverse).addcmul_(x, along), None, None


class _Norm:
    """What tells a fused norm from others."""


@functools.cache
def _fused(kind: type[nn.Module]) -> type[nn.Module]:
    """A class that computes by `_RMSNorm`; its weight and the weight's name are the same."""

    class FusedNorm(_Norm, kind):  # type: ignore[misc, valid-type]
        def forward(self, x: Tensor) -> Tensor:
            weight = self.weight
            if weight.requires_grad or x.dtype != weight.dtype or x.itemsize < 4 or has_autocast(x):
                result: Tensor = super().forward(x)
                return result
            output: Tensor
            output, inverse = _RMSNorm.apply(x, weight, self.variance_epsilon)
            if torch.is_grad_enabled():
                made = Normed(x.detach(), inverse, weight)
                output.relgen_normed = (made, output._version)  # type: ignore[attr-defined]
            return output

    FusedNorm.__name__ = f"Fused{kind.__name__}"
    return FusedNorm


def fuse_norms(model: nn.Module) -> None:
    """Lets the frozen norms of a model compute as this module says, in float32 and wider.

    Args:
        model: other norms stay as they are.
    """
    for module in model.modules():
        if type(module).__name__ in _FAMILY:
            module.__class__ = _fused(type(module))  # type: ignore[arg-type]
