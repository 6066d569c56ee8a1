"""Linear layers with weights in 8 bits, for models that read or write on a CPU.

Each output has one scale for its weights, each row one for its inputs (symmetric, as in LLM.int8():
Dettmers et al. 2022, without the columns kept apart). oneDNN multiplies the integers exactly, so
that a row's result does not depend on the rows beside it.

Processors without instructions for such products (VNNI) multiply the same rounded weights by
inputs in float32.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from relgen.kernels.mapped_pages import give_back
from relgen.kernels.onednn_linear import is_dense

_LARGEST = 127
_ZERO = 128  # oneDNN takes inputs without a sign
_TINY = 1e-12
_AT_ONCE = 4096
"""Outputs that are rounded at a time: a vocabulary in float32 would take much memory."""


class Int8Linear(nn.Module):
    """A frozen linear layer whose weights are rounded to 8 bits."""

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        self.in_features, self.out_features = layer.in_features, layer.out_features
        rounded, scales = _rounded(layer.weight.detach())
        give_back(layer.weight)
        self._scales, self._bias = scales, None if layer.bias is None else layer.bias.float()
        self._zeros = torch.zeros(self.out_features, dtype=torch.int32)
        # not buffers: a packed tensor cannot be moved or saved
        self._packed = torch.ops.onednn.qlinear_prepack(rounded, None) if _has_vnni() else None
        self._rounded = rounded if self._packed is None else None

    def forward(self, input: Tensor) -> Tensor:
        """Map (…, I) to (…, O), without gradients."""
        rows = input.reshape(-1, self.in_features).float()
        if self._packed is None:
            assert self._rounded is not None
            found = F.linear(rows, self._rounded.float()).mul_(self._scales)
        else:
            scales = rows.abs().amax(dim=1, keepdim=True).clamp_(min=_TINY).div_(_LARGEST)
            rows = rows.div(scales).round_().add_(_ZERO).to(torch.uint8)
            # rows have scales of their own, which this operator has not
            found = torch.ops.onednn.qlinear_pointwise(
                rows, 1.0, _ZERO, self._packed, self._scales, self._zeros, None,
                1.0, 0, torch.float32, "none", [], "",
            ).mul_(scales)  # fmt: skip
        if self._bias is not None:
            found += self._bias
        return found.to(input.dtype).view(*input.shape[:-1], self.out_features)


def _rounded(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Return a weight (O, I) in 8 bits, and the scale of each output, (O,) in float32."""
    rounded, scales = torch.empty(weight.shape, dtype=torch.int8), torch.empty(len(weight))
    for start in range(0, len(weight), _AT_ONCE):
        rows = slice(start, start + _AT_ONCE)
        part = weight[rows].float()
        scales[rows] = part.abs().amax(dim=1).clamp_(min=_TINY).div_(_LARGEST)
        rounded[rows] = part.div(scales[rows, None]).round_().to(torch.int8)
    return rounded, scales


def int8_linear(module: nn.Module) -> Int8Linear | None:
    """Return an `Int8Linear` for a dense layer on the CPU; its weights can then be freed."""
    return Int8Linear(module) if is_dense(module) else None  # type: ignore[arg-type]


def _has_vnni() -> bool:
    found: Any = torch.cpu._is_vnni_supported()
    return bool(found)
