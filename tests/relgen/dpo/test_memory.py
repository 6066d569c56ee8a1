"""The memory of a step, worked out by hand for a model of two layers."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from relgen.dpo.decoder_sizes import LINEAR_LAYERS, DecoderSizes
from relgen.dpo.memory import Pass, StepMemory, optimizer_bytes
from relgen.dpo.prefix_tree import micro_batches, pack
from relgen.dpo.tokenize import ChainTokens

pytestmark = pytest.mark.compute

# a layer: q 64, k and v 32 each, o 64, gate, up and down 128 each: 576
# inputs and outputs: q and o 16 each, k and v 12 each, gate, up and down 24 each: 128
SIZES = DecoderSizes(
    layers=2,
    width=8,
    inner_width=16,
    queries=8,
    keys=4,
    heads=2,
    vocabulary=32,
    other_weights=256 + 40,  # the embedding 32 * 8, norms 5 * 8
    plain_head=True,
    rank=2,
    adapted=LINEAR_LAYERS,
    adapter=2 * 2 * 128,
)


def memory(*kernels: str, **settings: Any) -> StepMemory:
    left_out = sorted({"gated", "head"} - set(kernels))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RELGEN_KERNELS", ",".join(f"-{name}" for name in left_out))
        return StepMemory(SIZES, **settings)


KERNELS = memory("gated", "head")
PLAIN = memory()
QLORA = memory(quantized=True, autocast=True, dropout=True, on_cpu=False)
PASS = Pass(tokens=10, targets=4, trunk=6, seen=12, scores=40)


def test_weights() -> None:
    assert KERNELS.weights() == (1152 + 256 + 40) * 4
    # 4 bits, 1/64 byte for the scale, 4/256 of that once more
    assert QLORA.weights() == 594 + (256 + 40) * 4


def test_the_adapter_and_its_optimiser() -> None:
    assert KERNELS.adapter() == 512 * 4
    assert optimizer_bytes(torch.optim.AdamW) == 8
    assert optimizer_bytes(torch.optim.AdamW, torch.float64) == 16
    assert optimizer_bytes(torch.optim.SGD) == 0


def test_what_a_layer_keeps_of_a_token() -> None:
    # norms; attention, its output and two sums; gate and up; inputs of q k v, of o, of gate and up;
    # A to B
    attention = 64 + 32 + 8
    assert KERNELS.kept_per_token() == 64 + attention + 128 + 96 + 56
    # the activation; the input of down
    assert PLAIN.kept_per_token() == 64 + attention + 192 + (96 + 64) + 56
    # half precision in attention and adapters; each of these has its own input and byte mask
    inputs = 3 * (3 * 8 + 8 + 2 * 8 + 16)
    assert QLORA.kept_per_token() == 64 + (48 + 8) + 192 + inputs + 28


def test_copies_of_keys_and_masks() -> None:
    assert KERNELS.layer(PASS) == 10 * 448 + (2 * 12 * 4 + 40) * 4
    assert PLAIN.layer(PASS) == 10 * 576 + (2 * 12 * 4 + 40) * 4
    # on a GPU keys and values are repeated for both heads
    gpu = memory(on_cpu=False)
    assert gpu.layer(PASS) == 10 * 576 + (2 * (12 * 8 + 6 * 4) + 40) * 4


def test_activations() -> None:
    # gradients 2048; two layers, the last norm and the head; gradients in the last layer
    beginning = 3 * 10 * (16 + 8) * 4
    whole = 2048 + 2 * 5024 + 320 + 128 + beginning
    assert KERNELS.activations([PASS]) == whole
    recomputed = memory("gated", "head", recompute=True)
    hidden_states = 2 * 10 * 8 * 4
    expected = 2048 + hidden_states + 5024 + 320 + 128 + beginning
    assert recomputed.activations([PASS]) == expected
    # trunks of 5 tokens: kept 448 a layer and 32 for the last norm, gradients of keys and values
    trunks = Pass(tokens=5, targets=0, trunk=5, seen=0, scores=0)
    more = 5 * (2 * 448 + 32) + 2048 + 2 * 2 * 5 * 4 * 4
    assert KERNELS.activations([PASS, trunks], trunks) == whole + more


def test_the_head_when_the_backward_pass_begins() -> None:
    few = PASS._replace(tokens=1)
    logits, states = 8 * 4 * 32, 4 * 4 * 8
    assert PLAIN.beginning(few) == logits
    assert KERNELS.beginning(few) == logits + states
    # autocast casts the head's weights, between 4-bit layers too
    quantized = memory("head", quantized=True, autocast=True)
    assert quantized.beginning(few) == logits + states + 2 * 32 * 8


def test_passes_of_a_tree() -> None:
    two, ids = [[1, 2], [3, 4]], [1, 2, 3]
    batch = pack([ChainTokens("c", ids, two, [5], two, two, [0, 0])])
    assert Pass.of(batch, batch.whole, 8) == Pass(17, 8, trunk=7, seen=17, scores=170)
    assert Pass.of(batch, batch.trunks, 0) == Pass(7, 0, trunk=7, seen=0, scores=0)
    first, second = (Pass.of(batch, part.span, 4) for part in micro_batches(batch, 5))
    assert first == Pass(5, 4, 0, seen=10, scores=50)
    assert second == Pass(5, 4, 0, seen=12, scores=60)


def test_an_estimate_adds_up() -> None:
    two, ids = [[1, 2], [3, 4]], [1, 2, 3]
    batch = pack([ChainTokens("c", ids, two, [5], two, two, [0, 0])])
    estimate = KERNELS.estimate(batch, 8, branch_tokens=5)
    parts = [Pass.of(batch, part.span, 4) for part in micro_batches(batch, 5)]
    activations = KERNELS.activations(parts, Pass.of(batch, batch.trunks, 0))
    assert estimate == (KERNELS.weights(), 512 * 4, 512 * 8, activations, 17)
    assert estimate.total == sum(estimate[:4])
