"""The feed-forward part of Llama's family, with half as much kept for the backward pass.

    y = down(silu(gate(x)) * up(x))

autograd keeps both projections, the activation and the product, each as wide as the layer. Here the
last two are recomputed from the first two. `down` is computed with its LoRA adapter as in
`relgen.kernels.fused_lora`; the same cases are left to PEFT.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from transformers.activations import SiLUActivation

from relgen.kernels.fused_lora import FusedLinear, low_rank_backward, low_rank_forward

# transformers' classes of this form; they use nothing but `act_fn` and the three projections
_FAMILY = frozenset({"LlamaMLP", "MistralMLP", "Qwen2MLP", "Qwen3MLP"})


class _GatedDown(torch.autograd.Function):
    """silu(g) * u through a frozen layer with an adapter; gradients for g, u and the adapter."""

    @staticmethod
    def forward(
        ctx: Any,
        gate: Tensor,
        up: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        lora_a: Tensor,
        lora_b: Tensor,
        scale: float,
    ) -> Tensor:
        output, hidden = low_rank_forward(
            F.silu(gate).mul_(up).flatten(0, -2), weight, bias, lora_a, lora_b, scale
        )
        ctx.save_for_backward(gate, up, hidden, weight, lora_a, lora_b)
        ctx.scale = scale
        return output.view(*gate.shape[:-1], -1)

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, gradient: Tensor
    ) -> tuple[Tensor, Tensor, None, None, Tensor, Tensor, None]:
        gate, up, hidden, weight, lora_a, lora_b = ctx.saved_tensors
        activated = F.silu(gate)
        of_product, of_a, of_b = low_rank_backward(
            gradient.flatten(0, -2),
            (activated * up).flatten(0, -2),
            hidden,
            weight,
            lora_a,
            lora_b,
            ctx.scale,
            towards_rows=True,
        )
        assert of_product is not None
        of_product = of_product.view_as(gate)
        of_up = activated.mul_(of_product)
        of_gate = torch.ops.aten.silu_backward(of_product.mul_(up), gate)
        return of_gate, of_up, None, None, of_a, of_b, None


class FusedGated(nn.Module):
    """A feed-forward part, with that part's layers, computed by `_GatedDown`."""

    def __init__(self, part: Any) -> None:
        super().__init__()
        self.gate_proj, self.up_proj, self.down_proj = part.gate_proj, part.up_proj, part.down_proj
        self.act_fn = part.act_fn

    def forward(self, x: Tensor) -> Tensor:
        gate, up, last = self.gate_proj(x), self.up_proj(x), self.down_proj
        name = last.fusable(gate) if isinstance(last, FusedLinear) else None
        # hooks run only if the layer is called
        if name is None or gate.dtype != up.dtype or last._forward_hooks:
            result: Tensor = last(self.act_fn(gate) * up)
            return result
        base = last.get_base_layer()
        lora_a, lora_b = last.lora_A[name].weight, last.lora_B[name].weight
        output: Tensor = _GatedDown.apply(
            gate, up, base.weight, base.bias, lora_a, lora_b, last.scaling[name]
        )
        return output


def fused_gated(module: nn.Module) -> nn.Module | None:
    """Return the `FusedGated` of a feed-forward part, or None."""
    fits = type(module).__name__ in _FAMILY and isinstance(module.act_fn, SiLUActivation | nn.SiLU)
    return FusedGated(module) if fits else None
