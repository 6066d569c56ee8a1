"""The adapter's part in decoding: merged into the weights, and the same as beside them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from relgen.common.errors import InputError
from relgen.generation.backends.loading import load_backend
from relgen.generation.settings import GenerationSettings
from relgen.models.causal_lm import load_language_model
from relgen.models.lora import add_lora, load_adapter, save_adapter
from tests import tiny
from tests.relgen.generation.conftest import Inputs

pytestmark = pytest.mark.compute


def test_an_adapter_is_merged(inputs: Inputs, tmp_path: Path) -> None:
    name = str(inputs.model)
    policy = add_lora(load_language_model(name, dtype="float64"), rank=2)
    for key, parameter in policy.named_parameters():
        if "lora_B" in key:
            torch.nn.init.normal_(parameter)
    save_adapter(policy, tmp_path / "adapter", base_model=name)
    settings = GenerationSettings(
        model=name, adapter=str(tmp_path / "adapter"), dtype="float64", device="cpu"
    )
    merged = load_backend(settings, tiny.chat_tokenizer(), "<|end|>")._model
    assert not any("lora" in key for key, _ in merged.named_parameters())
    beside = load_adapter(load_language_model(name, dtype="float64"), tmp_path / "adapter")
    base = load_language_model(name, dtype="float64")
    ids = torch.arange(3, 12)[None]
    with torch.no_grad():
        expected = beside(ids).logits
        assert torch.allclose(merged(ids).logits, expected, atol=1e-9)
        assert not torch.allclose(base(ids).logits, expected, atol=1e-3)


@pytest.mark.parametrize("device", ["nonsense", "cuda:97"])
def test_a_device_that_is_not_here(inputs: Inputs, device: str) -> None:
    chosen = GenerationSettings(model=str(inputs.model), device=device)
    with pytest.raises(InputError, match=f"'device': this device cannot be used.*got '{device}'"):
        load_backend(chosen, tiny.chat_tokenizer(), "\n")
