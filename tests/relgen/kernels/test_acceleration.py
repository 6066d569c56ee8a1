"""Modules that take another's place keep its weights and their names."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from relgen.kernels.acceleration import replace_modules

pytestmark = pytest.mark.compute


class Doubled(nn.Module):
    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.weight, self.bias = layer.weight, layer.bias

    def forward(self, x: Tensor) -> Tensor:
        return 2 * nn.functional.linear(x, self.weight, self.bias)


def test_modules_are_replaced_wherever_they_are() -> None:
    layer = nn.Linear(2, 3)
    model = nn.ModuleDict(
        {"one": layer, "two": nn.ModuleDict({"again": layer}), "other": nn.Tanh()}
    )
    names = list(model.state_dict())
    replace_modules(model, lambda part: Doubled(part) if part is layer else None)
    x = torch.randn(4, 2)
    for new in (model["one"], model["two"]["again"], copy.deepcopy(model)["one"]):
        assert isinstance(new, Doubled)
        torch.testing.assert_close(new(x), 2 * (x @ layer.weight.T + layer.bias))
    assert model["one"].weight is layer.weight
    assert list(model.state_dict()) == names
