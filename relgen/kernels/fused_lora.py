"""LoRA layers that add their update into the base layer's output, forward and backward.

PEFT's layer computes `base(x) + B(A(x)) * s` with four tensors of the output's size, and its
backward pass with as many of the input's. Here products are accumulated in place: the same numbers
up to rounding, with less memory traffic. Names, files and switches of the adapter stay PEFT's.
"""

from __future__ import annotations

from typing import Any

import torch
from peft.tuners import lora
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from relgen.kernels.onednn_linear import has_autocast, is_dense, linear, matmul


def low_rank_forward(
    rows: Tensor, weight: Tensor, bias: Tensor | None, down: Tensor, up: Tensor, scale: float
) -> tuple[Tensor, Tensor]:
    """Return the output (N, O) of a frozen layer with its adapter, and A's output (N, r).

    Shapes: `rows` (N, I), `weight` (O, I), `bias` (O,), LoRA's A `down` (r, I) and B `up` (O, r).
    """
    hidden = linear(rows, down)  # (N, r)
    return linear(rows, weight, bias).addmm_(hidden, up.T, alpha=scale), hidden


def low_rank_backward(
    gradient: Tensor,
    rows: Tensor,
    hidden: Tensor,
    weight: Tensor,
    down: Tensor,
    up: Tensor,
    scale: float,
    *,
    towards_rows: bool,
) -> tuple[Tensor | None, Tensor, Tensor]:
    """Return the gradients with respect to rows (or None), A and B, of the output's, (N, O)."""
    through = matmul(gradient, up).mul_(scale)  # (N, r)
    of_rows = matmul(gradient, weight).addmm_(through, down) if towards_rows else None
    # the narrow matrix on the left, since `matmul` copies that one
    of_up = matmul(hidden.T, gradient).T.mul_(scale)  # (O, r)
    of_down = matmul(through.T, rows)
    return of_rows, of_down, of_up


class _LowRankLinear(torch.autograd.Function):
    """y = x Wᵀ + b + s (x Aᵀ) Bᵀ, with gradients for x, A and B; W and b are frozen."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        down: Tensor,
        up: Tensor,
        scale: float,
    ) -> Tensor:
        rows = x.reshape(-1, x.shape[-1])  # (N, I)
        output, hidden = low_rank_forward(rows, weight, bias, down, up, scale)
        ctx.save_for_backward(hidden, weight, down, up, rows)
        ctx.scale = scale
        return output.view(*x.shape[:-1], -1)

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, gradient: Tensor
    ) -> tuple[Tensor | None, None, None, Tensor, Tensor, None]:
        hidden, weight, down, up, rows = ctx.saved_tensors
        flat = gradient.reshape(-1, gradient.shape[-1])  # (N, O)
        of_rows, of_down, of_up = low_rank_backward(
            flat,
            rows,
            hidden,
            weight,
            down,
            up,
            ctx.scale,
            towards_rows=ctx.needs_input_grad[0],
        )
        of_x = None if of_rows is None else of_rows.view(*gradient.shape[:-1], -1)
        return of_x, None, None, of_down, of_up, None


class FusedLinear(lora.Linear):
    """PEFT's LoRA layer around `nn.Linear`, computed by `_LowRankLinear` for one plain adapter.

    Adapters with dropout, mixed precision and the like are left to PEFT.
    """

    def __init__(self, layer: lora.Linear) -> None:
        nn.Module.__init__(self)  # PEFT's constructor would make another adapter
        self.__setstate__(vars(layer))

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """Map (…, I) to (…, O)."""
        name = self.fusable(x) if not args and not kwargs else None
        if name is None:
            result: Tensor = super().forward(x, *args, **kwargs)
            return result
        base = self.get_base_layer()
        down, up = self.lora_A[name].weight, self.lora_B[name].weight
        output: Tensor = _LowRankLinear.apply(
            x, base.weight, base.bias, down, up, self.scaling[name]
        )
        return output

    def fusable(self, x: Tensor) -> str | None:
        """Return the name of the adapter to fuse for an input, or None to leave it to PEFT."""
        names = [name for name in self.active_adapters if name in self.lora_A]
        if self.disable_adapters or self.merged or len(names) != 1 or self.lora_variant:
            return None
        (name,) = names
        base, down = self.get_base_layer(), self.lora_A[name]
        weights = [base.weight, down.weight, self.lora_B[name].weight]
        plain = (
            isinstance(self.lora_dropout[name], nn.Identity)
            and down.bias is None
            and self.lora_B[name].bias is None
            and not base.weight.requires_grad
            and not (base.bias is not None and base.bias.requires_grad)
            and all(weight.dtype == x.dtype for weight in weights)
            and not has_autocast(x)
        )
        return name if plain else None


def fused_lora(module: nn.Module) -> nn.Module | None:
    """Return the `FusedLinear` of PEFT's layer, or None if its base is not dense."""
    if type(module) is not lora.Linear or not is_dense(module.get_base_layer()):
        return None
    return FusedLinear(module)
