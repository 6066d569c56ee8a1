"""Layers in 8 bits: the arithmetic of rounded numbers, and whole models that stay close."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from relgen.common.errors import InputError
from relgen.kernels import int8_linear
from relgen.kernels.acceleration import accelerate
from relgen.kernels.int8_linear import Int8Linear
from tests import tiny

pytestmark = pytest.mark.compute


def rounded(values: Tensor) -> tuple[Tensor, Tensor]:
    """Return whole numbers up to 127, and the scale of each row, in float64."""
    scale = values.abs().amax(1, keepdim=True) / 127
    return (values / scale).round().double(), scale.double()


@pytest.fixture
def layer() -> nn.Linear:
    torch.manual_seed(1)
    return nn.Linear(70, 33).requires_grad_(False)


def test_products_are_those_of_the_rounded_numbers(
    layer: nn.Linear, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = torch.randn(4, 5, 70)
    inputs[0] *= 1_000  # each row has a scale of its own
    inputs[1, 1] = 0
    before = layer.weight.clone()
    weight, scales = rounded(layer.weight)
    rows, scale = rounded(inputs.view(20, 70).clone())
    whole = torch.nan_to_num(rows) @ weight.T * torch.nan_to_num(scale) * scales.T + layer.bias
    if int8_linear._has_vnni():
        found = Int8Linear(layer)(inputs)
        torch.testing.assert_close(found.view(20, 33).double(), whole, rtol=1e-5, atol=1e-5)
    monkeypatch.setattr(int8_linear, "_has_vnni", lambda: False)
    plain = Int8Linear(layer)(inputs)
    expected = inputs.view(20, 70).double() @ (weight * scales).T + layer.bias
    torch.testing.assert_close(plain.view(20, 33).double(), expected, rtol=1e-4, atol=1e-2)
    assert torch.equal(layer.weight, before)  # an embedding may be tied to it


def test_a_row_does_not_depend_on_the_others(layer: nn.Linear) -> None:
    inputs = torch.randn(9, 70)
    made = Int8Linear(layer)
    if int8_linear._has_vnni():
        assert torch.equal(made(inputs)[3:4], made(inputs[3:4]))
    assert made(inputs.bfloat16()).dtype == torch.bfloat16


def test_a_model_stays_close_and_keeps_no_second_weights() -> None:
    model = tiny.language_model("qwen2")
    ids = torch.randint(2, 600, (2, 30))
    with torch.inference_mode():
        before = model(ids).logits
        accelerate(model, for_="reading", int8=True)
        after = model(ids).logits.float()
    assert not [module for module in model.modules() if isinstance(module, nn.Linear)]
    assert 0 < (after - before).norm() < 0.03 * before.norm()


def test_another_device_is_refused(layer: nn.Linear) -> None:
    with pytest.raises(InputError, match="int8 is for CPUs; this model is on meta"):
        accelerate(nn.Sequential(layer).to("meta"), for_="reading", int8=True)
