"""Modules that take another's place keep its weights, names, hooks and class."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from relgen.kernels.replacement import as_kind, replace_modules


class Doubled(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return 2 * super().forward(x)


def test_the_new_module_is_the_old_one_with_another_forward() -> None:
    layer = nn.Linear(2, 3)
    calls: list[int] = []
    layer.register_forward_hook(lambda *_: calls.append(1))
    model = nn.ModuleDict(
        {"one": layer, "two": nn.ModuleDict({"again": layer}), "other": nn.Tanh()}
    )
    names = list(model.state_dict())
    replace_modules(model, lambda part: as_kind(part, Doubled) if part is layer else None)
    x = torch.randn(4, 2)
    for new in (model["one"], model["two"]["again"], copy.deepcopy(model)["one"]):
        assert isinstance(new, Doubled)
        assert isinstance(new, nn.Linear)
        torch.testing.assert_close(new(x), 2 * (x @ layer.weight.T + layer.bias))
    assert model["one"].weight is layer.weight
    assert len(calls) == 3
    assert type(layer) is nn.Linear
    assert list(model.state_dict()) == names
