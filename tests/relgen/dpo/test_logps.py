"""Log-probabilities by the ways of computing the head."""

from __future__ import annotations

import pytest
import torch
from transformers import GraniteConfig, GraniteForCausalLM

from benchmarks.rows import lay_out_rows, row_log_probabilities
from relgen.dpo.logps import tree_log_probabilities
from relgen.dpo.prefix_tree import pack
from relgen.kernels import ATTENTION, in_use, lm_head
from tests import tiny
from tests.relgen.dpo.test_tree_attention import check_same, gradients_of, tuned_policy

pytestmark = pytest.mark.compute


@pytest.mark.skipif(not in_use("head"), reason="about a kernel, which RELGEN_KERNELS switches off")
@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("family", ["llama", "qwen3"])
def test_logits_in_parts_are_the_same_logits(family, checkpointing, monkeypatch):
    policy = tuned_policy(family)
    chain = tiny.chain_tokens(7, seed=7)
    wanted_loss, wanted = gradients_of(policy, row_log_probabilities(policy, lay_out_rows([chain])))
    if checkpointing:
        policy.gradient_checkpointing_enable({"use_reentrant": False})
        policy.train()
    made = []

    def linear(*given):
        made.append(torch.nn.functional.linear(*given))
        return made[-1]

    targets, words = len(pack([chain]).target_ids), 77
    limit = words * targets
    monkeypatch.setattr(lm_head, "logits_at_once", lambda device: limit)
    monkeypatch.setattr(lm_head, "linear", linear)
    loss, got = gradients_of(policy, tree_log_probabilities(policy, pack([chain])))
    torch.testing.assert_close(loss, wanted_loss, rtol=1e-9, atol=0)
    check_same(got, wanted)
    # parts of 64, the multiple below
    assert len(made) == -(-policy.config.vocab_size // 64)
    assert {len(logits) for logits in made} == {targets}
    assert max(logits.numel() for logits in made) <= limit


def test_a_head_that_learns_has_its_gradient():
    policy = tuned_policy("llama")
    head = policy.get_base_model().get_output_embeddings()
    chain = tiny.chain_tokens(3, seed=3)
    found = []
    for learns in (False, True):
        head.weight.requires_grad_(learns)
        head.weight.grad = None
        found.append(gradients_of(policy, tree_log_probabilities(policy, pack([chain]))))
        assert (head.weight.grad is not None) == learns
    _, wanted = gradients_of(policy, row_log_probabilities(policy, lay_out_rows([chain])))
    check_same(found[1][1], wanted)
    torch.testing.assert_close(found[0][0], found[1][0], rtol=1e-9, atol=0)
    for name, gradient in found[0][1].items():
        torch.testing.assert_close(gradient, wanted[name], rtol=1e-9, atol=1e-12)


def test_scaled_logits_are_not_made_in_parts(monkeypatch):
    base = tiny.language_model("llama", attention=ATTENTION, dtype=torch.float64)
    sizes = {name: value for name, value in base.config.to_dict().items() if name != "model_type"}
    config = GraniteConfig(**{**sizes, "logits_scaling": 3.0})
    config._attn_implementation = ATTENTION
    model = GraniteForCausalLM(config).double().eval()
    chain = tiny.chain_tokens(3, seed=3)
    monkeypatch.setattr(lm_head, "logits_at_once", lambda device: 10)
    with torch.no_grad():
        rows = row_log_probabilities(model, lay_out_rows([chain]))
        packed = tree_log_probabilities(model, pack([chain]))
    torch.testing.assert_close(packed.chosen, rows.chosen, rtol=1e-9, atol=0)
    torch.testing.assert_close(packed.rejected, rows.rejected, rtol=1e-9, atol=0)
