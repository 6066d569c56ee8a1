"""Matrix products on a CPU, by the library that is faster there.

torch hands float32 products to Intel's MKL, which uses AVX-512 on Intel's processors only. oneDNN,
which torch carries as well, uses what a processor has: on AMD's with AVX-512 it takes less than
half the time, for eight rows as for a thousand. The numbers are the same up to the order of
float32 sums.

`RELGEN_PRODUCTS=torch` leaves every product to torch, `RELGEN_PRODUCTS=onednn` none that oneDNN can
compute; without it, oneDNN gets them where a processor has AVX-512 and is not Intel's.

Leaves out: half precision, for which torch asks oneDNN itself, products of two batches, and
attention.
"""

from __future__ import annotations

import functools
import os
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from relgen.common import InputError, is_intel

_CHOICES = ("torch", "onednn")


def linear(rows: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x Wᵀ + b, without autograd.

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
    """(…, I) and (I, O) to (…, O), without autograd."""
    return linear(left, right.T)


class FastLinear(nn.Linear):
    """`nn.Linear` by `linear`; anything but float32 on a CPU goes torch's way.

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


def speed_up(model: nn.Module) -> None:
    """Lets a model's dense layers compute by `linear`, where that is another library than torch's.

    Args:
        model: its `nn.Linear`, and no subclass of it, are changed in place; weights, names and
            files stay the same.
    """
    if not prefers_onednn():
        return
    for module in model.modules():
        if type(module) is nn.Linear:
            module.__class__ = FastLinear


class DecodingLinear(nn.Module):
    """A frozen `FastLinear` whose weights lie as oneDNN reads them: for models that only decode.

    Otherwise every pass lays them out anew, which costs as much as the product of a few rows.

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


def pack(model: nn.Module) -> None:
    """Puts a `DecodingLinear` in the place of every `FastLinear` that could be one.

    Args:
        model: for inference from now on; it cannot be saved any more. An output layer's weights
            stay in memory where the input embeddings are the same.
    """
    # layers are not listed beforehand: each goes as soon as its copy is there
    for parent in [module for module in model.modules() if next(module.children(), None)]:
        for name in [name for name, _ in parent.named_children()]:
            layer = getattr(parent, name)
            if isinstance(layer, FastLinear) and _takes(layer.weight, layer.weight):
                setattr(parent, name, DecodingLinear(layer))


def is_dense(layer: nn.Module) -> bool:
    """Whether a layer is `nn.Linear` itself, made faster or not, and no other kind of it."""
    return type(layer) in (nn.Linear, FastLinear)


def has_autocast(tensor: Tensor) -> bool:
    """Whether autocast is on where a tensor is; for one without content it never is."""
    return not tensor.is_meta and torch.is_autocast_enabled(tensor.device.type)


@functools.cache
def prefers_onednn() -> bool:
    """Whether float32 products of this process go to oneDNN.

    Raises:
        InputError: `RELGEN_PRODUCTS` names no library, or one that is not there.
    """
    choice = os.environ.get("RELGEN_PRODUCTS") or None
    if choice not in (None, *_CHOICES):
        raise InputError(
            "no such library of matrix products",
            field="RELGEN_PRODUCTS",
            value=choice,
            remedy=f"set it to {' or '.join(_CHOICES)}, or not at all",
        )
    if choice == "torch":
        return False
    # without MKL, torch has another library for these processors
    wide = torch.backends.cpu.get_cpu_capability().startswith("AVX512")
    gains = torch.backends.mkl.is_available() and wide and not is_intel()
    if choice is None and not gains:
        return False
    there = _has_onednn()
    if choice is not None and not there:
        problem = f"torch {torch.__version__} has no oneDNN that relgen could call"
        raise InputError(problem, field="RELGEN_PRODUCTS", value=choice, remedy="leave it out")
    return there


def _has_onednn() -> bool:
    """Whether torch's calls of oneDNN, which are private, are what they were."""
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
