"""FlexAttention's form of the tree: the same rule and the same forward pass, on a CPU."""

from __future__ import annotations

import pytest
import torch
from torch.nn.attention.flex_attention import create_mask

from relgen.dpo.logps import tree_log_probabilities
from relgen.dpo.prefix_tree import pack
from relgen.dpo.tree_attention import TREE_ATTENTION, dense_mask
from relgen.kernels.flex_attention import padded_length, plan_flex
from tests import tiny


@pytest.mark.parametrize("pairs", [1, 7])
def test_the_mask_is_the_rule_and_padding_is_seen_by_nobody(pairs: int) -> None:
    batch = pack([tiny.chain_tokens(pairs), tiny.chain_tokens(2, seed=1)])
    plan = plan_flex(batch)
    mask = create_mask(plan.mask.mask_mod, 1, 1, plan.length, plan.length, "cpu")[0, 0]
    tokens = batch.tokens
    assert torch.equal(mask[:tokens, :tokens], dense_mask(batch)[0, 0])
    assert not mask[:tokens, tokens:].any()
    assert mask.any(dim=1).all()  # a row that sees nothing would be not a number


@pytest.mark.parametrize("family", ["llama", "qwen3"])
@torch.no_grad()
def test_the_forward_pass_is_that_of_the_tree(family: str) -> None:
    model = tiny.language_model(family, attention=TREE_ATTENTION, dtype=torch.float64)
    batch = pack([tiny.chain_tokens(5), tiny.chain_tokens(3, seed=1)])
    flex = tree_log_probabilities(model, batch, attention="flex")
    tree = tree_log_probabilities(model, batch, attention="tree")
    for got, expected in zip(flex, tree, strict=True):
        assert torch.allclose(got, expected, rtol=1e-9, atol=1e-9)


def test_lengths_are_few_and_padding_is_little() -> None:
    lengths = {tokens: padded_length(tokens) for tokens in range(1, 8193)}
    assert all(tokens <= length for tokens, length in lengths.items())
    assert all(
        length - tokens < max(128, length / 8) for tokens, length in lengths.items() if tokens > 256
    )
    assert len(set(lengths.values())) <= 32
    assert all(length % 128 == 0 for length in lengths.values())
