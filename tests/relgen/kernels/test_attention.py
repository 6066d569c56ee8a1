"""Grouped keys and values against repeated ones: one head of keys for two of queries."""

import pytest
import torch
import torch.nn.functional as F

from relgen.kernels.attention import ATTENTION, ScoreOptions, grouped_attention
from tests import tiny

pytestmark = pytest.mark.compute

QUERY_HEADS, KEY_HEADS = 4, 2


@pytest.mark.parametrize("causal", [True, False])
def test_values_and_gradients_are_those_of_repeated_heads(causal: bool) -> None:
    generator = torch.Generator().manual_seed(1)
    query = torch.randn(2, QUERY_HEADS, 5, 8, generator=generator, dtype=torch.float64)
    key, value = torch.randn(2, 2, KEY_HEADS, 5, 8, generator=generator, dtype=torch.float64)
    inputs = [part.requires_grad_() for part in (query, key, value)]
    mask = None if causal else torch.rand(2, 1, 5, 5, generator=generator) > 0.3
    if mask is not None:
        mask |= torch.eye(5, dtype=torch.bool)
    ours = grouped_attention(*inputs, mask, ScoreOptions(0.3))
    # head h of the queries reads head h // 2 of the keys
    repeated = [part[:, [0, 0, 1, 1]] for part in (inputs[1], inputs[2])]
    plain = F.scaled_dot_product_attention(inputs[0], *repeated, mask, is_causal=causal, scale=0.3)
    torch.testing.assert_close(ours, plain)
    found, expected = (torch.autograd.grad(x.square().sum(), inputs) for x in (ours, plain))
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("family", ["llama", "qwen3"])
def test_a_model_gives_what_it_gives_with_sdpa(family: str) -> None:
    ids = torch.tensor([[5, 6, 7, 8], [9, 10, 11, 0]])
    padding = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]])
    logits = []
    for attention in ("sdpa", ATTENTION):
        model = tiny.language_model(family, attention=attention, dtype=torch.float64)
        with torch.no_grad():
            logits.append(model(ids, attention_mask=padding).logits[padding.bool()])
    torch.testing.assert_close(*logits)
