"""The sizes of models, read from their configurations."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    GraniteConfig,
    LlamaConfig,
    OPTConfig,
    PretrainedConfig,
    Qwen3Config,
    Qwen3MoeConfig,
)

from relgen.common.errors import InputError
from relgen.dpo.decoder_sizes import LINEAR_LAYERS, DecoderSizes, read_sizes
from relgen.dpo.memory import StepMemory

SMALL = {
    "vocab_size": 64,
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
}


def sizes_of(
    folder: Path, config: PretrainedConfig, targets: str | list[str] = "all-linear"
) -> DecoderSizes | None:
    config.save_pretrained(folder)
    return read_sizes(str(folder), rank=2, target_modules=targets)


@pytest.mark.parametrize(
    "config",
    [
        LlamaConfig(**SMALL),
        LlamaConfig(**SMALL, tie_word_embeddings=True, attention_bias=True),
        Qwen3Config(**SMALL),
    ],
)
def test_weights_of_a_configuration(tmp_path: Path, config: PretrainedConfig) -> None:
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    sizes = sizes_of(tmp_path, config)
    assert sizes is not None
    assert StepMemory(sizes).weights() == 4 * sum(weight.numel() for weight in model.parameters())
    layer = model.get_decoder().layers[0]
    linear = {name: layer.get_submodule(name).weight.T.shape for name in LINEAR_LAYERS}
    assert sizes.linear == {name: tuple(shape) for name, shape in linear.items()}


@pytest.mark.parametrize(
    "config",
    [OPTConfig(), Qwen3MoeConfig(**SMALL, num_experts=4, moe_intermediate_size=16)],
)
def test_other_architectures_are_unknown(tmp_path: Path, config: PretrainedConfig) -> None:
    assert sizes_of(tmp_path, config) is None


def test_scaled_logits_are_computed_whole(tmp_path: Path) -> None:
    scaled, plain = (
        sizes_of(tmp_path, GraniteConfig(**SMALL)),
        sizes_of(tmp_path, LlamaConfig(**SMALL)),
    )
    assert scaled is not None
    assert plain is not None
    assert (scaled.plain_head, plain.plain_head) == (False, True)


@pytest.mark.parametrize(
    ("targets", "names", "ends"),
    [
        # inputs and outputs: q and o 48 each, k and v 32 each, gate, up and down 48 each
        ("all-linear", LINEAR_LAYERS, 304),
        (["q_proj", "v_proj"], ("self_attn.q_proj", "self_attn.v_proj"), 80),
        (r".*mlp\..*_proj", LINEAR_LAYERS[4:], 144),
    ],
)
def test_layers_with_an_adapter(
    tmp_path: Path, targets: str | list[str], names: tuple[str, ...], ends: int
) -> None:
    sizes = sizes_of(tmp_path, LlamaConfig(**SMALL), targets)
    assert sizes is not None
    assert sizes.adapted == names
    assert sizes.adapter == 2 * 2 * ends


def test_unknown_layers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="lora_target_modules"):
        sizes_of(tmp_path, LlamaConfig(**SMALL), ["c_attn"])


def test_the_random_state_stays(tmp_path: Path) -> None:
    before = torch.get_rng_state()
    assert sizes_of(tmp_path, LlamaConfig(**SMALL)) is not None
    assert torch.equal(torch.get_rng_state(), before)
