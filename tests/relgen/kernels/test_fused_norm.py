"""Fused norms against transformers' own, alone and under PEFT's layers."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from peft import PeftModel
from torch import Tensor, nn

from relgen.kernels.fused_norm import _FAMILY, FusedNorm, _RMSNorm, fused_norm
from tests import tiny
from tests.relgen.kernels import twins

pytestmark = pytest.mark.compute


def norms(model: nn.Module) -> list[Any]:
    return [module for module in model.modules() if isinstance(module, FusedNorm)]


def policies(family: str) -> tuple[PeftModel, PeftModel]:
    """Return a policy with fused norms and one without, otherwise the same."""
    return twins.policies(family, torch.float32)


def loss(model: nn.Module) -> Tensor:
    ids = torch.tensor([[5, 6, 7, 8, 9]])
    return model(input_ids=ids, labels=ids).loss


def test_the_backward_pass_is_that_of_the_forward_pass() -> None:
    torch.manual_seed(1)
    x = torch.randn(2, 3, 6, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(6, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: _RMSNorm.apply(x, weight, 0.1), (x,))


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("family", ["llama", "qwen2", "qwen3"])
def test_values_and_gradients_are_those_of_transformers(
    monkeypatch: pytest.MonkeyPatch, family: str, checkpointing: bool
) -> None:
    used: list[tuple[int, ...]] = []
    true = _RMSNorm.apply

    def counted(x: Tensor, *rest: Any) -> Any:
        used.append(tuple(x.shape))
        return true(x, *rest)

    monkeypatch.setattr(_RMSNorm, "apply", counted)
    fused, plain = policies(family)
    if checkpointing:
        fused.gradient_checkpointing_enable({"use_reentrant": False})
        fused.enable_input_require_grads()
        fused.train()
    a_layer = 4 if family == "qwen3" else 2  # qwen3 has norms of its heads
    assert len(norms(fused)) == a_layer * fused.config.num_hidden_layers + 1
    assert not norms(plain)
    assert list(fused.state_dict()) == list(plain.state_dict())
    ours, theirs = loss(fused), loss(plain)
    torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=0)
    ours.backward()
    theirs.backward()
    # in every layer once more, when it is computed again
    again = a_layer * fused.config.num_hidden_layers if checkpointing else 0
    assert len(used) == len(norms(fused)) + again
    for (name, one), other in zip(fused.named_parameters(), plain.parameters(), strict=True):
        if one.requires_grad:
            assert one.grad.norm() > 0, name
            assert (one.grad - other.grad).norm() < 1e-5 * other.grad.norm(), name


@pytest.mark.parametrize("why", ["bfloat16", "autocast", "trained"])
def test_what_it_does_not_compute_is_left_to_transformers(
    monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    def refuse(*_: Any) -> Tensor:
        raise AssertionError("computed by the fused function")

    fused, plain = policies("llama")
    monkeypatch.setattr(_RMSNorm, "apply", refuse)
    ours, theirs = norms(fused)[0], plain.get_base_model().model.layers[0].input_layernorm
    states = torch.randn(1, 7, tiny.SIZES["hidden_size"])
    with pytest.raises(AssertionError, match="fused function"):
        ours(states)
    if why == "bfloat16":
        ours, theirs, states = ours.bfloat16(), theirs.bfloat16(), states.bfloat16()
    if why == "trained":
        ours.weight.requires_grad_()
    with torch.autocast("cpu", torch.bfloat16, enabled=why == "autocast"):
        torch.testing.assert_close(ours(states), theirs(states), rtol=0, atol=0)


def test_the_named_classes_are_of_this_form() -> None:
    from transformers.models.llama import modeling_llama
    from transformers.models.mistral import modeling_mistral
    from transformers.models.qwen2 import modeling_qwen2
    from transformers.models.qwen3 import modeling_qwen3

    found = set()
    torch.manual_seed(1)
    x = torch.randn(3, 6)
    for module in (modeling_llama, modeling_mistral, modeling_qwen2, modeling_qwen3):
        for name in _FAMILY & set(vars(module)):
            norm = getattr(module, name)(6, eps=0.3).requires_grad_(False)
            norm.weight.copy_(torch.randn(6))
            wanted = norm(x)
            fused = fused_norm(norm)
            assert isinstance(fused, FusedNorm)
            torch.testing.assert_close(fused(x), wanted)
            found.add(name)
    assert found == _FAMILY
