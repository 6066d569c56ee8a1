"""The fused feed-forward part against transformers' own over PEFT's layers."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from peft import PeftModel
from torch import Tensor

from relgen.kernels.fused_mlp import _FAMILY, FusedGated, _GatedDown
from relgen.models.lora import reference
from tests.relgen.kernels import twins

pytestmark = pytest.mark.compute


def policies(family: str = "llama", **options: Any) -> tuple[PeftModel, PeftModel]:
    """Return a policy with fused layers and one without, with the same weights in float64."""
    fused, plain = twins.policies(family, torch.float64, **options)
    return fused, plain


def gated(model: PeftModel) -> list[Any]:
    return [module for module in model.modules() if isinstance(module, FusedGated)]


def loss(model: PeftModel) -> Tensor:
    ids = torch.tensor([[5, 6, 7, 8, 9]])
    return model(input_ids=ids, labels=ids).loss


@pytest.mark.parametrize("family", ["llama", "qwen2", "qwen3"])
def test_values_and_gradients_are_those_of_the_separate_layers(family: str) -> None:
    fused, plain = policies(family)
    assert len(gated(fused)) == fused.config.num_hidden_layers
    assert not gated(plain)
    assert list(fused.state_dict()) == list(plain.state_dict())
    ours, theirs = loss(fused), loss(plain)
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=0)
    ours.backward()
    theirs.backward()
    for (name, one), other in zip(fused.named_parameters(), plain.parameters(), strict=True):
        if one.requires_grad:
            assert one.grad.norm() > 0, name
            torch.testing.assert_close(one.grad, other.grad, rtol=1e-9, atol=1e-14)


def test_the_backward_pass_is_that_of_the_forward_pass() -> None:
    torch.manual_seed(1)
    sizes = [(2, 3, 4), (2, 3, 4), (2, 4), (5, 2)]
    learning = [torch.randn(*size, dtype=torch.float64, requires_grad=True) for size in sizes]
    weight, bias = torch.randn(5, 4, dtype=torch.float64), torch.randn(5, dtype=torch.float64)
    assert torch.autograd.gradcheck(
        lambda gate, up, a, b: _GatedDown.apply(gate, up, weight, bias, a, b, 1.5), learning
    )


def test_the_reference_has_no_adapter() -> None:
    fused, plain = policies()
    with reference(fused) as ours, reference(plain) as theirs:
        without = loss(ours)
        torch.testing.assert_close(without, loss(theirs), rtol=1e-12, atol=0)
    assert loss(fused) != without


def test_it_keeps_half_of_what_autograd_keeps() -> None:
    def kept(model: PeftModel) -> int:
        layer = model.get_base_model().model.layers[0].mlp
        wide = layer.gate_proj(states).shape[-1]
        sizes: dict[int, int] = {}

        def keep(tensor: Tensor) -> Tensor:
            sizes[tensor.untyped_storage().data_ptr()] = tensor.numel()
            held.append(tensor)
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            layer(states)
        return sum(size == 7 * wide for size in sizes.values())

    held: list[Tensor] = []
    states = torch.randn(1, 7, 32, dtype=torch.float64, requires_grad=True)
    fused, plain = policies()
    assert (kept(fused), kept(plain)) == (2, 4)


def test_what_peft_has_to_compute_is_left_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> Tensor:
        raise AssertionError("computed by the fused function")

    fused, plain = policies()
    wanted = loss(plain)
    monkeypatch.setattr(_GatedDown, "apply", refuse)
    with pytest.raises(AssertionError, match="fused function"):
        loss(fused)
    for part in gated(fused):
        part.down_proj.register_forward_hook(lambda *_: None)
    torch.testing.assert_close(loss(fused), wanted, rtol=1e-12, atol=0)


def test_the_named_classes_are_of_this_form() -> None:
    """Their forward pass, with layers that stand for numbers, is down(silu(gate) * up)."""
    from transformers.models.llama import modeling_llama
    from transformers.models.mistral import modeling_mistral
    from transformers.models.qwen2 import modeling_qwen2
    from transformers.models.qwen3 import modeling_qwen3

    found = set()
    for module in (modeling_llama, modeling_mistral, modeling_qwen2, modeling_qwen3):
        for name in _FAMILY & set(vars(module)):
            kind = getattr(module, name)
            part = kind.__new__(kind)
            torch.nn.Module.__init__(part)
            part.gate_proj, part.up_proj = (lambda x: 2 * x), (lambda x: 5 * x)
            part.act_fn, part.down_proj = (lambda x: x + 1), (lambda x: x - 3)
            assert part(torch.tensor(4.0)) == (2 * 4 + 1) * (5 * 4) - 3
            found.add(name)
    assert found == _FAMILY
