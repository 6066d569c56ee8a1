"""Matrix products on a CPU, by the library that is faster there.

torch hands float32 products to Intel's MKL, which uses AVX-512 on Intel's processors only. oneDNN,
which torch carries as well, uses what a processor has: on AMD's with AVX-512 it takes less than
half the time, for eight rows as for a thousand. The numbers are the same up to the order of
float32 sums.

oneDNN computes them where a processor has AVX-512 and is not Intel's.

Leaves out: half precision, for which torch asks oneDNN itself, products of two batches, and
attention.
"""

from __future__ import annotations

import functools
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from relgen.common import is_intel
from relgen.kernels.replacement import as_kind, replace_modules
from relgen.kernels.switch import in_use


def linear(rows: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return x Wᵀ + b, without autograd.

    Args:
        rows: (…, I).
        weight: (O, I); a transposed view costs no copy, other views do.
        bias: (O,).

    Returns:
        (…, O)
    """
    if not _takes(rows, weight):
        return F.linear(rows, weight, bias)
    # for other strides than these two, oneDNN has plain loops only, hundreds of times slower
    if not (weight.is_contiguous() or weight.T.is_contiguous()):
        weight = weight.contiguous()
    product: Tensor = torch.ops.mkldnn._linear_pointwise(rows, weight, bias, "none", [], "")
    return product


def matmul(left: Tensor, right: Tensor) -> Tensor:
    """Return the product of (…, I) and (I, O), (…, O), without autograd."""
    return linear(left, right.T)


class FastLinear(nn.Linear):
    """`nn.Linear` by `linear`; anything but float32 on a CPU is left to torch.

    Its gradients have no gradients of their own.
    """

    def forward(self, input: Tensor) -> Tensor:
        """(…, I) to (…, O)."""
        if not _takes(input, self.weight) or has_autocast(input):
            return super().forward(input)
        if not torch.is_grad_enabled():
            return linear(input, self.weight, self.bias)
        output: Tensor = _Linear.apply(input, self.weight, self.bias)
        return output


def use_onednn(model: nn.Module) -> None:
    """Replace a model's dense layers by `FastLinear`, where oneDNN is the faster library.

    Args:
        model: its `nn.Linear`, and no subclass of it, are replaced.
    """
    if prefers_onednn():
        replace_modules(
            model, lambda layer: as_kind(layer, FastLinear) if type(layer) is nn.Linear else None
        )


class DecodingLinear(nn.Module):
    """A frozen `FastLinear` whose weights lie as oneDNN reads them: for models that only decode.

    Otherwise every pass lays them out again, which takes as long as the product of a few rows.

    Args:
        layer: its weights are copied.
    """

    _ROWS = 8
    """What the layout is chosen for; it was no slower for one row, nor for a thousand."""

    def __init__(self, layer: FastLinear) -> None:
        super().__init__()
        self.in_features, self.out_features = layer.in_features, layer.out_features
        self._bias = layer.bias
        weight = layer.weight.detach()
        # no buffer: it is no tensor that could be moved or saved
        self._packed = torch.ops.mkldnn._reorder_linear_weight(weight, self._ROWS)

    def forward(self, input: Tensor) -> Tensor:
        """(…, I) to (…, O), in float32 on the CPU, without gradients."""
        product: Tensor = torch.ops.mkldnn._linear_pointwise(
            input, self._packed, self._bias, "none", [], ""
        )
        return product


def lay_out_weights(model: nn.Module) -> None:
    """Replace every `FastLinear` by a `DecodingLinear`, where its weights allow it.

    Args:
        model: for inference from now on; it cannot be saved any more. An output layer's weights
            stay in memory where the input embeddings are the same.
    """

    def laid_out(layer: nn.Module) -> nn.Module | None:
        fits = isinstance(layer, FastLinear) and _takes(layer.weight, layer.weight)
        return DecodingLinear(layer) if fits else None  # type: ignore[arg-type]

    if in_use("decoding"):
        replace_modules(model, laid_out)


def is_dense(layer: nn.Module) -> bool:
    """Return whether a layer is `nn.Linear` or a `FastLinear`, and no other kind of either."""
    return type(layer) in (nn.Linear, FastLinear)


def has_autocast(tensor: Tensor) -> bool:
    """Return whether autocast is on for a tensor's device."""
    return not tensor.is_meta and torch.is_autocast_enabled(tensor.device.type)


def prefers_onednn() -> bool:
    """Return whether oneDNN computes the float32 products of this process."""
    return in_use("linear") and _gains()


@functools.cache
def _gains() -> bool:
    # without MKL, torch has another library for these processors
    wide = torch.backends.cpu.get_cpu_capability().startswith("AVX512")
    return torch.backends.mkl.is_available() and wide and not is_intel() and _has_onednn()


def _has_onednn() -> bool:
    """Return whether torch's private calls of oneDNN are there and compute what is expected."""
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
        # weights that are spread over processes are another class
        and type(weight) in (Tensor, nn.Parameter)
        and rows.numel() > 0
        and prefers_onednn()
    )


class _Linear(torch.autograd.Function):
    """y = x Wᵀ + b, with gradients for whatever needs one."""

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
