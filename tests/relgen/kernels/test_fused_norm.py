"""Fused norms against transformers' own, alone and under PEFT's layers."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from peft import PeftModel
from torch import Tensor, nn

from relgen.kernels.fused_lora import _LowRankLinear
from relgen.kernels.fused_norm import _FAMILY, Normed, _Norm, _RMSNorm, fuse_norms, normed
from relgen.models.lora import add_lora
from tests import tiny


def norms(model: nn.Module) -> list[Any]:
    return [module for module in model.modules() if isinstance(module, _Norm)]


def policies(family: str) -> tuple[PeftModel, PeftModel]:
    """With fused norms and without, otherwise the same."""
    fused = add_lora(tiny.language_model(family), rank=4)
    tiny.tune(fused)
    plain = copy.deepcopy(fused)
    for module in norms(plain):
        module.__class__ = type(module).__bases__[1]
    return fused, plain


def loss(model: nn.Module) -> Tensor:
    ids = torch.tensor([[5, 6, 7, 8, 9]])
    return model(input_ids=ids, labels=ids).loss


def test_the_backward_pass_is_that_of_the_forward_pass() -> None:
    torch.manual_seed(1)
    x = torch.randn(2, 3, 6, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(6, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: _RMSNorm.apply(x, weight, 0.1)[0], (x,))


def test_a_low_rank_layer_needs_only_what_its_input_is_made_from() -> None:
    torch.manual_seed(1)
    x, weight = torch.randn(2, 3, 6, dtype=torch.float64), torch.randn(6, dtype=torch.float64)
    inverse = (x.pow(2).mean(-1, keepdim=True) + 0.1).rsqrt()
    made = Normed(x, inverse, weight)
    base = torch.randn(5, 6, dtype=torch.float64)
    adapter = [
        torch.randn(*size, dtype=torch.float64, requires_grad=True) for size in [(4, 6), (5, 4)]
    ]

    def gradients(made: Normed | None) -> tuple[Tensor, ...]:
        rows = Normed(x, inverse, weight).output().requires_grad_()
        output = _LowRankLinear.apply(rows, base, None, *adapter, 1.5, made)
        rows.data.zero_()  # what is made again does not come from here
        return torch.autograd.grad(output.square().sum(), [rows, *adapter])

    wanted = torch.autograd.grad(
        (made.output() @ (base + 1.5 * adapter[1] @ adapter[0]).T).square().sum(), adapter
    )
    torch.testing.assert_close(gradients(made)[1:], wanted, rtol=1e-10, atol=1e-12)
    with pytest.raises(AssertionError):
        torch.testing.assert_close(gradients(None)[1:], wanted, rtol=1e-10, atol=1e-12)


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


def test_outputs_of_norms_are_not_kept() -> None:
    def kept(model: PeftModel) -> int:
        """Tensors of a token's width, kept for the backward pass of one layer."""
        held: dict[int, Tensor] = {}
        with torch.autograd.graph.saved_tensors_hooks(
            lambda tensor: held.setdefault(tensor.untyped_storage().data_ptr(), tensor), lambda t: t
        ):
            layer = model.get_base_model().model.layers[0]
            cosines = torch.ones(2, 1, 7, layer.self_attn.head_dim)
            layer(states, position_embeddings=tuple(cosines), attention_mask=None)
        return sum(tensor.numel() == states.numel() for tensor in held.values())

    states = torch.randn(1, 7, tiny.SIZES["hidden_size"], requires_grad=True)
    fused, plain = policies("llama")
    assert kept(fused) <= kept(plain) - 2


def test_an_output_that_was_changed_is_kept_as_it_is() -> None:
    fused, _ = policies("llama")
    layer = fused.get_base_model().model.layers[0]
    states = torch.randn(1, 7, tiny.SIZES["hidden_size"])
    adapter = layer.self_attn.q_proj.lora_A["default"].weight

    def gradient(output: Tensor) -> Tensor:
        (found,) = torch.autograd.grad(layer.self_attn.q_proj(output).square().sum(), adapter)
        return found

    output = layer.input_layernorm(states)
    assert normed(output) is not None
    output.mul_(3)
    assert normed(output) is None
    torch.testing.assert_close(gradient(output), gradient(output.clone()))


def test_no_gradients_no_notes() -> None:
    fused, _ = policies("llama")
    norm = norms(fused)[0]
    states = torch.randn(1, 7, tiny.SIZES["hidden_size"])
    assert normed(norm(states)) is not None
    for without in (torch.no_grad(), torch.inference_mode()):
        with without:
            assert normed(norm(states)) is None


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
            fuse_norms(norm)
            assert isinstance(norm, _Norm)
            torch.testing.assert_close(norm(x), wanted)
            found.add(name)
    assert found == _FAMILY
