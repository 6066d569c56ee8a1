"""Packed trees against row by row: log-probabilities, loss and gradients, in float64."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from benchmarks.rows import RowBatch, lay_out_rows, row_log_probabilities
from relgen.common.errors import InputError
from relgen.dpo import tree_attention
from relgen.dpo.logps import (
    PairLogProbabilities,
    tree_log_probabilities,
)
from relgen.dpo.losses import log_ratio_difference, sigmoid_loss
from relgen.dpo.prefix_tree import pack
from relgen.dpo.tree_attention import TreePlan
from relgen.kernels import ATTENTION, accelerate
from relgen.kernels.attention import attention_forward
from relgen.models.lora import add_lora
from tests import tiny
from tests.relgen.dpo.dense import dense_log_probabilities, dense_mask

pytestmark = pytest.mark.compute

READS = {"tree": tree_log_probabilities, "dense": dense_log_probabilities}


def tuned_policy(family: str):
    base = tiny.language_model(family, attention=ATTENTION, dtype=torch.float64)
    policy = add_lora(base, rank=4, alpha=8).double().eval()
    with torch.random.fork_rng():
        torch.manual_seed(5)
        for name, parameter in policy.named_parameters():
            if "lora_B" in name:
                # a fresh adapter's B is zero: nothing would depend on A
                parameter.data = torch.randn_like(parameter) * 0.1
    return policy


def gradients_of(policy, logps: PairLogProbabilities) -> tuple[Tensor, dict[str, Tensor]]:
    reference = (torch.full_like(logps.chosen, -20.0), torch.full_like(logps.rejected, -21.0))
    loss = sigmoid_loss(log_ratio_difference(*logps, *reference), beta=0.1).mean()
    policy.zero_grad()
    loss.backward()
    return loss.detach(), {
        n: p.grad.clone() for n, p in policy.named_parameters() if p.requires_grad
    }


def check_same(got: dict[str, Tensor], wanted: dict[str, Tensor]) -> None:
    assert got.keys() == wanted.keys()
    assert len(got) > 0
    for name, gradient in wanted.items():
        assert gradient.norm() > 0, name
        assert (got[name] - gradient).norm() <= 1e-9 * gradient.norm(), name


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("attention", ["tree", "dense"])
@pytest.mark.parametrize("pairs", [1, 2, 7, 16])
@pytest.mark.parametrize("family", ["llama", "qwen2", "qwen3"])
def test_tree_equals_row_by_row(family, pairs, attention, checkpointing):
    policy = tuned_policy(family)
    chain = tiny.chain_tokens(pairs, seed=pairs)
    rows = row_log_probabilities(policy, lay_out_rows([chain]))
    wanted_loss, wanted = gradients_of(policy, rows)
    if checkpointing:
        policy.gradient_checkpointing_enable({"use_reentrant": False})
        policy.train()
    packed = READS[attention](policy, pack([chain]))
    torch.testing.assert_close(packed.chosen, rows.chosen, rtol=1e-9, atol=0)
    torch.testing.assert_close(packed.rejected, rows.rejected, rtol=1e-9, atol=0)
    loss, got = gradients_of(policy, packed)
    torch.testing.assert_close(loss, wanted_loss, rtol=1e-9, atol=0)
    check_same(got, wanted)


@pytest.mark.parametrize("checkpointing", [False, True])
def test_tree_equals_row_by_row_under_autocast(checkpointing):
    """Autocast leaves float64 as it is, and so do the kernels."""
    policy = tuned_policy("llama")
    accelerate(policy, for_="training")
    chain = tiny.chain_tokens(5, seed=5)
    wanted_loss, wanted = gradients_of(policy, row_log_probabilities(policy, lay_out_rows([chain])))
    if checkpointing:
        policy.gradient_checkpointing_enable({"use_reentrant": False})
        policy.train()
    with torch.autocast("cpu", torch.bfloat16):
        packed = tree_log_probabilities(policy, pack([chain]))
    loss, got = gradients_of(policy, packed)
    torch.testing.assert_close(loss, wanted_loss, rtol=1e-9, atol=0)
    check_same(got, wanted)


def one_by_one(policy, rows: RowBatch) -> PairLogProbabilities:
    """Read each row by itself: in a window of padding alone, softmax gives NaN."""
    found = []
    for ids, kept, completion in zip(*rows, strict=True):
        ids = ids[: kept.sum()]
        logits = policy(ids[None]).logits[0, :-1].log_softmax(-1)
        found.append(logits.gather(1, ids[1:, None])[completion[1 : len(ids)]].sum())
    return PairLogProbabilities(*torch.stack(found).chunk(2))


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("family", tiny.WINDOWED)
def test_windows_and_soft_caps_are_those_of_the_models_own_attention(
    family, checkpointing, monkeypatch
):
    softmax = torch.nn.functional.softmax
    # transformers rounds to float32 there
    monkeypatch.setattr(
        torch.nn.functional, "softmax", lambda scores, dim, **_: softmax(scores, dim)
    )
    policy = tuned_policy(family)
    chains = [tiny.chain_tokens(pairs, seed=pairs) for pairs in (3, 4)]
    base = policy.get_base_model()
    base.set_attn_implementation("eager")
    rows = one_by_one(policy, lay_out_rows(chains))
    wanted_loss, wanted = gradients_of(policy, rows)
    base.set_attn_implementation(ATTENTION)
    if checkpointing:
        policy.gradient_checkpointing_enable({"use_reentrant": False})
        policy.train()
    packed = tree_log_probabilities(policy, pack(chains))
    torch.testing.assert_close(packed.chosen, rows.chosen, rtol=1e-9, atol=0)
    torch.testing.assert_close(packed.rejected, rows.rejected, rtol=1e-9, atol=0)
    loss, got = gradients_of(policy, packed)
    torch.testing.assert_close(loss, wanted_loss, rtol=1e-9, atol=0)
    check_same(got, wanted)
    base.config.sliding_window = None  # some read it here, others keep it in each layer
    for layer in base.model.layers:
        layer.self_attn.sliding_window = None
    unlimited = tree_log_probabilities(policy, pack(chains))
    assert (unlimited.chosen - packed.chosen).abs().min() > 1e-4  # the window matters here


@pytest.mark.parametrize("attention", ["tree", "dense"])
def test_trees_in_one_row_do_not_see_each_other(attention):
    policy = tuned_policy("llama")
    chains = [tiny.chain_tokens(pairs, seed=pairs) for pairs in (3, 1, 5)]
    with torch.no_grad():
        together = READS[attention](policy, pack(chains))
        rows = row_log_probabilities(policy, lay_out_rows(chains))
    torch.testing.assert_close(together.chosen, rows.chosen, rtol=1e-9, atol=0)
    torch.testing.assert_close(together.rejected, rows.rejected, rtol=1e-9, atol=0)


@pytest.mark.parametrize("block", [1, 20, 10_000])
def test_block_size_does_not_change_the_plan(monkeypatch, block):
    monkeypatch.setattr(tree_attention, "_BLOCK", block)
    batch = pack([tiny.chain_tokens(4, seed=1), tiny.chain_tokens(3, seed=2)])
    whole = dense_mask(batch)[0, 0]
    seen = torch.zeros_like(whole)
    plan = TreePlan(batch)
    for start, end in plan.trunks:
        seen[start:end, start:end] = torch.ones(end - start, end - start).tril().bool()
    for part in plan.blocks:
        rows = slice(part.start, part.end)
        width = part.fork - part.trunk_start
        seen[rows, part.trunk_start : part.fork] = part.mask[:, :width]
        seen[rows, part.start : part.end] = part.mask[:, width:]
    assert torch.equal(seen, whole)
    # a tree's branches stay apart from another's
    assert len(plan.blocks) == {1: 4 + 3, 20: 4 + 3, 10_000: 1 + 1}[block]


def test_checkpointing_really_runs_again():
    policy = tuned_policy("llama")
    policy.gradient_checkpointing_enable({"use_reentrant": False})
    calls = []
    layer = policy.get_base_model().model.layers[0].self_attn
    layer.register_forward_hook(lambda *_: calls.append(1))
    batch = pack([tiny.chain_tokens(2)])
    for mode, wanted in [(False, 1), (True, 2)]:
        policy.train(mode)
        calls.clear()
        tree_log_probabilities(policy, batch).chosen.sum().backward()
        assert len(calls) == wanted


def test_without_a_plan_it_is_sdpa_with_padding():
    ours = tiny.language_model("llama", attention=ATTENTION, dtype=torch.float64)
    plain = tiny.language_model("llama", attention="sdpa", dtype=torch.float64)
    ids = torch.arange(12).reshape(2, 6)
    mask = torch.tensor([[0, 0, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1]])
    inputs = {
        "input_ids": ids,
        "attention_mask": mask,
        "position_ids": (mask.cumsum(-1) - 1).clamp(min=0),
    }
    with torch.no_grad():
        got = ours(**inputs).logits
        wanted = plain(**inputs).logits
        alone = plain(input_ids=ids[:1, 2:]).logits
    assert torch.equal(got, wanted)
    torch.testing.assert_close(got[0, 2:], alone[0], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_other_attention_functions_are_refused(attention):
    model = tiny.language_model("llama", attention=attention)
    with pytest.raises(InputError, match=f"got '{attention}'"):
        tree_log_probabilities(model, pack([tiny.chain_tokens(1)]))


@pytest.mark.parametrize("asked", [{"dropout": 0.1}, {"s_aux": torch.zeros(2)}])
def test_what_the_plan_does_not_know_is_refused(asked):
    batch = pack([tiny.chain_tokens(2)])
    states = torch.zeros(1, 2, batch.tokens, 4)
    layer = torch.nn.Module()
    layer.layer_idx = 0
    with pytest.raises(ValueError, match="this layer needs"):
        attention_forward(
            layer, states, states, states, None, attend=TreePlan(batch).attend, **asked
        )


def test_a_step_under_autocast() -> None:
    # rotary embeddings leave queries and keys in float32 there, and values in bfloat16
    model = tiny.language_model("llama", attention=ATTENTION).requires_grad_(True)
    accelerate(model, for_="reading")
    with torch.autocast("cpu", torch.bfloat16):
        found = tree_log_probabilities(model, pack([tiny.chain_tokens(3)]))
    found.chosen.sum().backward()  # as Lightning does: outside
    assert all(weight.grad is not None for weight in model.parameters())
