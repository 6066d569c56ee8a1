"""Adapters: fresh ones, the reference, fingerprints of bases, and files."""

from __future__ import annotations

import json

import pytest
import torch
from peft import PeftModel
from safetensors.torch import save_file

from relgen.common.errors import InputError
from relgen.kernels import accelerate
from relgen.models.causal_lm import load_language_model
from relgen.models.lora import add_lora, fingerprint, load_adapter, reference, save_adapter
from tests import tiny

pytestmark = pytest.mark.compute

IDS = torch.arange(2, 26).reshape(2, 12)


def _tuned(base) -> PeftModel:
    policy = add_lora(base, rank=4, alpha=8)
    for name, parameter in policy.named_parameters():
        if "lora_B" in name:
            parameter.data.fill_(0.02)
    return policy.eval()


@torch.no_grad()
def _logits(model) -> torch.Tensor:
    return model(input_ids=IDS).logits


def _base():
    """The base as a policy computes it: with fused norms."""
    model = tiny.language_model().requires_grad_(False)
    accelerate(model, for_="training")
    return model


def test_a_fresh_adapter_changes_nothing_and_does_not_depend_on_the_random_state():
    adapters = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        before = torch.get_rng_state()
        policy = add_lora(tiny.language_model(), rank=4, seed=5).eval()
        assert torch.equal(before, torch.get_rng_state())
        adapters.append({n: p for n, p in policy.named_parameters() if p.requires_grad})
        assert torch.equal(_logits(policy), _logits(_base()))
        torch.testing.assert_close(_logits(policy), _logits(tiny.language_model()))
    assert all("lora_" in name for name in adapters[0])
    assert all(torch.equal(adapters[0][name], adapters[1][name]) for name in adapters[0])


def test_reference_is_the_base_and_gradients_stay_as_they_were():
    base = _logits(_base())
    policy = _tuned(tiny.language_model())
    frozen = next(p for n, p in policy.named_parameters() if "lora_A" in n)
    frozen.requires_grad_(False)
    flags = [p.requires_grad for p in policy.parameters()]
    tuned = _logits(policy)
    with reference(policy) as model:
        logits = model(input_ids=IDS).logits
        assert not logits.requires_grad
    assert torch.equal(logits, base)
    assert not torch.allclose(tuned, base)
    assert torch.equal(_logits(policy), tuned)
    assert [p.requires_grad for p in policy.parameters()] == flags


def test_reference_restores_after_an_error():
    policy = _tuned(tiny.language_model())
    tuned = _logits(policy)
    with pytest.raises(RuntimeError, match="stop"), reference(policy):
        raise RuntimeError("stop")
    assert torch.equal(_logits(policy), tuned)


def test_fingerprint_tells_bases_apart_but_not_dtypes_or_adapters(tmp_path):
    name = tiny.save_model(tmp_path)
    base = fingerprint(load_language_model(name))
    assert fingerprint(load_language_model(name, dtype="bfloat16")) == base
    assert fingerprint(_tuned(load_language_model(name))) == base
    other = load_language_model(name)
    other.get_input_embeddings().weight.data += 0.1
    assert fingerprint(other) != base


def test_adapter_round_trip(tmp_path):
    name = tiny.save_model(tmp_path / "base")
    policy = _tuned(load_language_model(name))
    save_adapter(policy, tmp_path / "adapter", base_model=name)
    loaded = load_adapter(load_language_model(name), tmp_path / "adapter")
    torch.testing.assert_close(_logits(loaded), _logits(policy))
    assert json.loads((tmp_path / "adapter/relgen.json").read_text())["base_model"] == name
    save_adapter(policy, tmp_path / "adapter", base_model=name)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["adapter", "base"]


def test_adapter_of_another_base_is_refused(tmp_path):
    name = tiny.save_model(tmp_path / "base")
    save_adapter(_tuned(load_language_model(name)), tmp_path / "adapter", base_model=name)
    other = load_language_model(tiny.save_model(tmp_path / "other", "qwen2"))
    with pytest.raises(InputError, match="made for another base model"):
        load_adapter(other, tmp_path / "adapter")
    with pytest.raises(InputError, match="no adapter in this folder"):
        load_adapter(other, tmp_path / "base")


def test_four_bit_adapters_train_and_norms_do_not(tmp_path):
    pytest.importorskip("bitsandbytes")
    name = tiny.save_model(tmp_path)
    model = load_language_model(name, quantization="nf4", compute_dtype="float32")
    policy = add_lora(model, rank=4)
    trained = [n for n, p in policy.named_parameters() if p.requires_grad]
    assert len(trained) == 28
    assert all("lora_" in name for name in trained)
    assert not policy.get_base_model().is_gradient_checkpointing


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("adapter_config.json", {"peft_type": "PROMPT_TUNING"}, "only LoRA adapters are supported"),
        ("adapter_config.json", {"peft_type": "PREFIX_TUNING"}, "only LoRA adapters are supported"),
        ("relgen.json", {}, "does not name the adapter's base model"),
        ("adapter_model.safetensors", None, "the adapter's weights are missing"),
        ("adapter_model.safetensors", {"x": 1}, "Found missing adapter keys"),
    ],
)
def test_adapters_that_cannot_be_used_are_one_line(tmp_path, file, content, said):
    save_adapter(_tuned(tiny.language_model()), tmp_path / "a", base_model="base")
    path = tmp_path / "a" / file
    if content is None:
        path.unlink()
    elif file.endswith(".safetensors"):
        save_file({"x": torch.zeros(1)}, path)
    else:
        before = json.loads(path.read_text()) if content else {}
        path.write_text(json.dumps(before | content))
    with pytest.raises(InputError, match=said) as caught:
        load_adapter(tiny.language_model(), tmp_path / "a")
    assert "\n" not in str(caught.value)
    assert caught.value.remedy
