"""The fused LoRA layer against PEFT's own, and where it has to leave the work to PEFT."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from peft.tuners import lora
from torch import Tensor, nn

from relgen.kernels.acceleration import replace_modules
from relgen.kernels.fused_lora import FusedLinear, _LowRankLinear, fused_lora
from relgen.models.lora import add_lora, reference
from tests import tiny

pytestmark = pytest.mark.compute


class Two(nn.Module):
    """Two layers, one of them with a bias."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(6, 5)
        self.second = nn.Linear(5, 3, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.first(x).tanh())


def policies(**options: Any) -> tuple[PeftModel, PeftModel]:
    """PEFT's layers and ours, with the same weights in double precision."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        config = LoraConfig(r=2, lora_alpha=6, target_modules=["first", "second"], **options)
        plain = get_peft_model(Two(), config).double()
        for name, weight in plain.named_parameters():
            if "lora_" in name:
                weight.data.normal_()
    fused = copy.deepcopy(plain)
    replace_modules(fused, fused_lora)
    return plain, fused


def gradients(policy: PeftModel, x: Tensor) -> list[Tensor]:
    weights = [weight for weight in policy.parameters() if weight.requires_grad]
    return list(torch.autograd.grad(policy(x).square().sum(), [x, *weights]))


@pytest.mark.parametrize("shape", [(4, 6), (2, 3, 6), (6,)])
def test_values_and_gradients_are_pefts(shape: tuple[int, ...]) -> None:
    plain, fused = policies()
    x = torch.randn(*shape, dtype=torch.float64, requires_grad=True)
    torch.testing.assert_close(fused(x), plain(x))
    for ours, theirs in zip(gradients(fused, x), gradients(plain, x), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_the_backward_pass_is_that_of_the_forward_pass() -> None:
    generator = torch.Generator().manual_seed(2)
    sizes = {"x": (3, 4), "weight": (5, 4), "bias": (5,), "down": (2, 4), "up": (5, 2)}
    given = {
        name: torch.randn(*size, generator=generator, dtype=torch.float64)
        for name, size in sizes.items()
    }
    for name in ("x", "down", "up"):
        given[name].requires_grad_()
    assert torch.autograd.gradcheck(
        lambda x, down, up: _LowRankLinear.apply(x, given["weight"], given["bias"], down, up, 1.5),
        (given["x"], given["down"], given["up"]),
    )


def test_names_and_switches_stay_pefts() -> None:
    plain, fused = policies()
    x = torch.randn(4, 6, dtype=torch.float64)
    assert list(fused.state_dict()) == list(plain.state_dict())
    with reference(fused) as frozen:
        torch.testing.assert_close(frozen(x), Two.forward(_bare(plain), x))
    torch.testing.assert_close(fused.merge_and_unload()(x), plain(x))


@pytest.mark.parametrize("options", [{"lora_dropout": 0.5}, {"use_dora": True}])
def test_what_is_not_the_same_is_left_to_peft(
    options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_LowRankLinear, "apply", _refuse)
    _, fused = policies(**options)
    assert fused.train()(torch.randn(4, 6, dtype=torch.float64)).shape == (4, 3)


def test_mixed_precision_is_left_to_peft(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_LowRankLinear, "apply", _refuse)
    _, fused = policies()
    with torch.autocast("cpu", torch.bfloat16):
        assert fused.float()(torch.randn(4, 6)).dtype == torch.bfloat16


def test_the_policy_computes_this_way() -> None:
    policy = add_lora(tiny.language_model(), rank=2)
    layers = [module for module in policy.modules() if isinstance(module, lora.Linear)]
    assert len(layers) == 14
    assert all(type(layer) is FusedLinear for layer in layers)


def _refuse(*_: Any) -> Tensor:
    raise AssertionError("computed by the fused function")


def _bare(policy: PeftModel) -> Two:
    """The base under the adapter, by weights alone."""
    bare = Two().double()
    state = policy.get_base_model().state_dict()
    kept = {name.replace(".base_layer", ""): state[name] for name in state if "lora_" not in name}
    bare.load_state_dict(kept)
    return bare
