"""The memory of a step, worked out by hand for a model of two layers."""

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
from relgen.dpo import memory
from relgen.dpo.decoder_sizes import (
    DecoderSizes,
    UnknownSizesError,
    adapted_layers,
    read_sizes,
)
from relgen.dpo.memory import Pass, TrainingSettings
from relgen.dpo.prefix_tree import pack
from relgen.dpo.tokenize import ChainTokens

SIZES = DecoderSizes(
    layers=2,
    width=8,
    inner_width=16,
    heads=2,
    key_value_heads=1,
    head_width=4,
    vocabulary=32,
    tied=True,
)
KERNELS = TrainingSettings(
    dtype="float32",
    quantization=None,
    double_quantization=True,
    compute_dtype="bfloat16",
    autocast=False,
    rank=2,
    targets=tuple(SIZES.linear_layers),
    dropout=False,
    recompute=False,
    on_cpu=True,
    kernels=frozenset({"gated", "tiles", "head"}),
)
PLAIN = KERNELS._replace(kernels=frozenset())
QLORA = PLAIN._replace(quantization="nf4", autocast=True, dropout=True, on_cpu=False)
PASS = Pass(tokens=10, targets=4, trunk=6, seen=12, scores=40)


def test_weights() -> None:
    # a layer: q 64, k and v 32 each, o 64, gate, up and down 128 each: 576
    # all: 2 * 576, the embedding 32 * 8, norms 5 * 8
    assert memory.weight_bytes(SIZES, KERNELS) == (1152 + 256 + 40) * 4
    # 4 bits, 1/64 byte for the scale, 4/256 of that once more
    assert memory.weight_bytes(SIZES, QLORA) == 594 + (256 + 40) * 4


def test_the_adapter_and_its_optimiser() -> None:
    # inputs and outputs: q and o 16 each, k and v 12 each, gate, up and down 24 each: 128
    assert memory.adapter_numbers(SIZES, KERNELS) == 2 * 2 * 128
    assert memory.optimizer_bytes(torch.optim.AdamW, 512, 28, torch.float32) == 8 * 512 + 28 * 4
    assert memory.optimizer_bytes(torch.optim.SGD, 512, 28, torch.float32) == 0


def test_what_a_layer_keeps_of_a_token() -> None:
    # norms 64, attention 64, gate and up 128, inputs of q k v, of o, of gate and up 96, A to B 56
    assert memory.kept_per_token(SIZES, KERNELS) == 64 + 64 + 128 + 96 + 56
    # attention: its output and two sums; the activation; the input of down
    assert memory.kept_per_token(SIZES, PLAIN) == 64 + (64 + 32 + 8) + 192 + (96 + 64) + 56
    # half precision in attention and adapters; each of these has its own input and byte mask
    inputs = 3 * (3 * 8 + 8 + 2 * 8 + 16)
    assert memory.kept_per_token(SIZES, QLORA) == 64 + (48 + 8) + 192 + inputs + 28


def test_copies_of_keys_and_masks() -> None:
    assert memory.kept_of_layer(SIZES, KERNELS, PASS) == 10 * 408
    assert memory.kept_of_layer(SIZES, PLAIN, PASS) == 10 * 576 + (2 * 12 * 4 + 40) * 4
    # on a GPU keys and values are repeated for both heads
    gpu = PLAIN._replace(on_cpu=False)
    assert memory.kept_of_layer(SIZES, gpu, PASS) == 10 * 576 + (2 * (12 * 8 + 6 * 4) + 40) * 4


def test_activations() -> None:
    # gradients 2048; two layers, the last norm and the head; gradients in the last layer
    beginning = 3 * 10 * (16 + 8) * 4
    whole = 2048 + 2 * 4080 + 320 + 128 + beginning
    assert memory.activation_bytes(SIZES, KERNELS, [PASS]) == whole
    recomputed = KERNELS._replace(recompute=True)
    hidden_states = 2 * 10 * 8 * 4
    expected = 2048 + hidden_states + 4080 + 320 + 128 + beginning
    assert memory.activation_bytes(SIZES, recomputed, [PASS]) == expected
    # trunks of 5 tokens: kept 408 a layer and 32 for the last norm, gradients of keys and values
    trunks = Pass(tokens=5, targets=0, trunk=5, seen=0, scores=0)
    more = 5 * (2 * 408 + 32) + 2048 + 2 * 2 * 5 * 4 * 4
    assert memory.activation_bytes(SIZES, KERNELS, [PASS, trunks], trunks) == whole + more


def test_passes_of_a_tree() -> None:
    two, ids = [[1, 2], [3, 4]], [1, 2, 3]
    batch = pack([ChainTokens("c", ids, two, [5], two, two, [0, 0])])
    assert memory.whole_pass(batch) == Pass(17, 8, trunk=7, seen=17, scores=170)
    trunks, branches = memory.trunk_and_branches(batch, 5)
    assert trunks == Pass(7, 0, trunk=7, seen=0, scores=0)
    assert branches == [Pass(5, 4, 0, seen=10, scores=50), Pass(5, 4, 0, seen=12, scores=60)]


SMALL = {
    "vocab_size": 64,
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
}


@pytest.mark.parametrize(
    ("config", "biases"),
    [
        (LlamaConfig(**SMALL), 0),
        (LlamaConfig(**SMALL, tie_word_embeddings=True), 0),
        (Qwen3Config(**SMALL), 2 * 2 * 8),  # norms of queries and keys are left out
    ],
)
def test_weights_of_a_configuration(tmp_path: Path, config: PretrainedConfig, biases: int) -> None:
    config.save_pretrained(tmp_path)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    numbers = sum(weight.numel() for weight in model.parameters())
    sizes = read_sizes(str(tmp_path))
    assert memory.weight_bytes(sizes, KERNELS) == 4 * (numbers - biases)


def test_other_architectures_are_refused(tmp_path: Path) -> None:
    OPTConfig().save_pretrained(tmp_path)
    with pytest.raises(InputError, match="gated feed-forward layers only"):
        read_sizes(str(tmp_path))


def test_mixtures_of_experts_are_refused(tmp_path: Path) -> None:
    Qwen3MoeConfig(**SMALL, num_experts=4, moe_intermediate_size=16).save_pretrained(tmp_path)
    with pytest.raises(UnknownSizesError, match="gated feed-forward layers only"):
        read_sizes(str(tmp_path))


def test_scaled_logits_are_computed_whole(tmp_path: Path) -> None:
    GraniteConfig(**SMALL).save_pretrained(tmp_path)
    sizes = read_sizes(str(tmp_path))
    assert not sizes.plain_head
    assert read_sizes_of_llama(tmp_path).plain_head


def read_sizes_of_llama(folder: Path) -> DecoderSizes:
    LlamaConfig(**SMALL).save_pretrained(folder)
    return read_sizes(str(folder))


def test_layers_with_an_adapter() -> None:
    assert adapted_layers("all-linear", SIZES) == tuple(SIZES.linear_layers)
    assert adapted_layers(["q_proj", "v_proj"], SIZES) == ("self_attn.q_proj", "self_attn.v_proj")
    assert adapted_layers(".*mlp.*", SIZES) == ("mlp.gate_proj", "mlp.up_proj", "mlp.down_proj")
    with pytest.raises(InputError, match="no linear layer"):
        adapted_layers(["c_attn"], SIZES)
