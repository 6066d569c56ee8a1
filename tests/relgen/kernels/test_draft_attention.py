"""The attention of drafts that share a prompt, against the softmax over prompt and draft."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from relgen.kernels.draft_attention import SharedPrompts

pytestmark = pytest.mark.compute

ROWS = [0, 2, 0, 1, 0, 2]
"""The prompts of six drafts."""


@pytest.mark.parametrize("scale", [None, 0.3])
def test_attention_is_the_softmax_over_prompt_and_draft(scale: float | None) -> None:
    """Of prompts of 5, 2 and 9 tokens, and drafts of them with 4 tokens each."""
    torch.manual_seed(1)
    heads, groups, width, own = 6, 2, 8, 4
    lengths = [5, 2, 9]
    states = [torch.randn(3, groups, 12, width, dtype=torch.float64) for _ in range(2)]
    prompts = SharedPrompts(ROWS, lengths, torch.float64)
    query = torch.randn(6, heads, 1, width, dtype=torch.float64)
    key, value = (torch.randn(6, groups, own, width, dtype=torch.float64) for _ in range(2))
    output = prompts.attend(query, key, value, states, scale)
    for place, chain in enumerate(ROWS):
        whole = [
            torch.cat([shared[chain, :, : lengths[chain]], mine[place]], dim=1)[None]
            for shared, mine in zip(states, (key, value), strict=True)
        ]
        wanted = F.scaled_dot_product_attention(
            query[place : place + 1], *whole, scale=scale, enable_gqa=True
        )
        torch.testing.assert_close(output[place, 0], wanted[0, :, 0], rtol=1e-10, atol=1e-12)


def test_scores_far_apart_do_not_overflow() -> None:
    shared = torch.tensor([[[[-4000.0]], [[4000.0]]]])
    states = [shared, torch.ones_like(shared)]
    query, value = torch.ones(2, 2, 1, 1), torch.zeros(2, 2, 1, 1)
    output = SharedPrompts([0, 0], [1], torch.float32).attend(query, value, value, states, 1.0)
    assert output.tolist() == [[[[0.0], [1.0]]]] * 2
