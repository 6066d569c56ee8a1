"""Matrix products in float32 on a CPU, by oneDNN where it beats MKL.

torch uses Intel's MKL, which uses AVX-512 on Intel's processors only. oneDNN, also a part of torch,
takes less than half the time on AMD's processors with AVX-512, for eight rows as for a thousand.
So it is used on processors with AVX-512 that are not Intel's. The results are the same up to the
order of float32 sums.
"""

from __future__ import annotations

import functools
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from relgen.common import is_intel, multiplies_bfloat16
from relgen.kernels.mapped_pages import give_back
from relgen.kernels.switch import in_use


def linear(rows: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return x Wᵀ + b, (…, O), of (…, I), (O, I) and (O,), without autograd.

    Views of a weight, other than a transposed one, are copied.
    """
    if not _takes(rows, weight):
        return F.linear(rows, weight, bias)
    # with other strides oneDNN is hundreds of times slower
    if not (weight.is_contiguous() or weight.T.is_contiguous()):
        weight = weight.contiguous()
    product: Tensor = torch.ops.mkldnn._linear_pointwise(rows, weight, bias, "none", [], "")
    return product


def matmul(left: Tensor, right: Tensor) -> Tensor:
    """Return the product of (…, I) and (I, O), without autograd."""
    return linear(left, right.T)


class FastLinear(nn.Linear):
    """`nn.Linear` computed by `linear` for float32 on a CPU; not twice differentiable."""

    def forward(self, input: Tensor) -> Tensor:
        """Map (…, I) to (…, O)."""
        if not _takes(input, self.weight) or has_autocast(input):
            return super().forward(input)
        if not torch.is_grad_enabled():
            return linear(input, self.weight, self.bias)
        output: Tensor = _Linear.apply(input, self.weight, self.bias)
        return output


def fast_linear(module: nn.Module) -> nn.Module | None:
    """Return the `FastLinear` of an `nn.Linear` (no subclass) where oneDNN is faster, or None."""
    if type(module) is not nn.Linear or not prefers_onednn():
        return None
    made = FastLinear(module.in_features, module.out_features, bias=False, device="meta")
    made.weight, made.bias = module.weight, module.bias
    return made.train(module.training)


class DecodingLinear(nn.Module):
    """A copy of a frozen linear layer with weights in oneDNN's layout, for models that decode.

    Otherwise oneDNN lays them out in every pass, which takes as long as the product of a few rows:
    in float32, and in bfloat16, where it multiplies for torch on every processor that can.
    """

    _ROWS = 8
    """The number of rows that the layout is for; it was no slower for one row or a thousand."""

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        self.in_features, self.out_features = layer.in_features, layer.out_features
        self._bias = layer.bias
        weight = layer.weight.detach()
        # not a buffer: such a tensor cannot be moved or saved
        self._packed = torch.ops.mkldnn._reorder_linear_weight(weight, self._ROWS)
        give_back(weight)

    def forward(self, input: Tensor) -> Tensor:
        """Map (…, I) to (…, O), in the weights' dtype on the CPU, without gradients."""
        product: Tensor = torch.ops.mkldnn._linear_pointwise(
            input, self._packed, self._bias, "none", [], ""
        )
        return product


def decoding_linear(module: nn.Module) -> nn.Module | None:
    """Return the `DecodingLinear` of a layer where oneDNN multiplies for it, or None."""
    if not is_dense(module):
        return None
    weight: Tensor = module.weight  # type: ignore[assignment]
    if weight.dtype == torch.bfloat16:
        fits = weight.device.type == "cpu" and multiplies_bfloat16() and _has_onednn()
    else:
        fits = isinstance(module, FastLinear) and _takes(weight, weight)
    return DecodingLinear(module) if fits else None  # type: ignore[arg-type]


def is_dense(layer: nn.Module) -> bool:
    """Return whether a layer is an `nn.Linear` or a `FastLinear`, not another subclass."""
    return type(layer) in (nn.Linear, FastLinear)


def has_autocast(tensor: Tensor) -> bool:
    """Return whether autocast is on for a tensor, which it never is for float64."""
    if tensor.is_meta or tensor.dtype == torch.float64:
        return False
    return torch.is_autocast_enabled(tensor.device.type)


def prefers_onednn() -> bool:
    """Return whether oneDNN computes the float32 products of this process."""
    return in_use("linear") and _gains()


@functools.cache
def _gains() -> bool:
    # builds of torch without MKL use another library
    wide = torch.backends.cpu.get_cpu_capability().startswith("AVX512")
    return torch.backends.mkl.is_available() and wide and not is_intel() and _has_onednn()


def _has_onednn() -> bool:
    """Return whether torch's private operators for oneDNN exist and work."""
    one = torch.ones(1, 1)
    try:
        for weight in (one, torch.ops.mkldnn._reorder_linear_weight(one, 1)):
            if torch.ops.mkldnn._linear_pointwise(one, weight, None, "none", [], "").item() != 1:
                return False
    except (AttributeError, RuntimeError, TypeError):
        return False
    return True


def _takes(rows: Tensor, weight: Tensor) -> bool:
    return (
        rows.dtype == weight.dtype == torch.float32
        and rows.device.type == "cpu"
        # sharded weights are of another class
        and type(weight) in (Tensor, nn.Parameter)
        and rows.numel() > 0
        and prefers_onednn()
    )


class _Linear(torch.autograd.Function):
    """y = x Wᵀ + b, with gradients for all three."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        of_x, of_weight, _ = ctx.needs_input_grad
        ctx.save_for_backward(x if of_weight else None, weight if of_x else None)
        return linear(x, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        rows = gradient.reshape(-1, gradient.shape[-1])  # (N, O)
        of_x = None if weight is None else matmul(gradient, weight)
        of_weight = None if x is None else matmul(rows.T, x.reshape(-1, x.shape[-1]))
        return of_x, of_weight, rows.sum(0) if ctx.needs_input_grad[2] else None
