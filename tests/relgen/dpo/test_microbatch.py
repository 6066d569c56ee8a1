"""Branches in micro-batches against all at once: losses and gradients in float64; memory."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from relgen.dpo import microbatch
from relgen.dpo.logps import PairLogProbabilities
from relgen.dpo.losses import log_ratio_difference, sigmoid_loss
from relgen.dpo.microbatch import TreeLosses, tree_losses
from relgen.dpo.prefix_tree import micro_batches, pack
from relgen.kernels import ATTENTION
from relgen.models.lora import add_lora
from tests import tiny
from tests.live_bytes import LiveBytes

pytestmark = pytest.mark.compute

TOKENS = 30


def _policy(family: str, dtype: torch.dtype = torch.float64):
    policy = add_lora(tiny.language_model(family, attention=ATTENTION, dtype=dtype), rank=4)
    tiny.tune(policy)
    return policy.to(dtype).eval()


def _loss_of_pairs(policy: PairLogProbabilities, pairs: slice) -> Tensor:
    # another reference for each pair: one that is given to the wrong pair shows
    places = torch.arange(50, dtype=policy.chosen.dtype)[pairs]
    h = log_ratio_difference(*policy, -20 - places, -21 + places / 2)
    return sigmoid_loss(h, beta=0.1)


def _step(policy, batch, **options) -> tuple[TreeLosses, dict[str, Tensor]]:
    policy.zero_grad()
    found = tree_losses(policy, batch, _loss_of_pairs, **options)
    (3 * found.total).backward()
    gradients = {n: p.grad.clone() for n, p in policy.named_parameters() if p.grad is not None}
    return found, gradients


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("family", ["llama", "qwen2", "qwen3"])
def test_parts_give_what_the_whole_gives(family, checkpointing):
    policy = _policy(family)
    batch = pack([tiny.chain_tokens(pairs, seed=pairs) for pairs in (7, 1, 5)])
    assert len(micro_batches(batch, TOKENS)) > 4
    whole, wanted = _step(policy, batch)
    if checkpointing:
        policy.gradient_checkpointing_enable({"use_reentrant": False})
        policy.train()
    found, got = _step(policy, batch, branch_tokens=TOKENS)
    torch.testing.assert_close(found, whole, rtol=1e-9, atol=0)
    assert (
        got.keys() == wanted.keys() == {n for n, p in policy.named_parameters() if p.requires_grad}
    )
    for name, gradient in wanted.items():
        assert gradient.norm() > 0, name
        assert (got[name] - gradient).norm() <= 1e-9 * gradient.norm(), name
    assert not any(values.requires_grad for values in (found.losses, *found.policy))


def test_an_adapter_on_a_part_of_the_layers():
    # nothing below the last layer learns: its keys and values alone have gradients
    base = tiny.language_model("llama", attention=ATTENTION, dtype=torch.float64)
    layer = "model.layers.1"
    names = [f"{layer}.self_attn.k_proj", f"{layer}.mlp.down_proj"]
    policy = add_lora(base, rank=4, target_modules=names)
    tiny.tune(policy)
    policy = policy.double().eval()
    batch = pack([tiny.chain_tokens(6)])
    _, wanted = _step(policy, batch)
    _, got = _step(policy, batch, branch_tokens=TOKENS)
    torch.testing.assert_close(got, wanted, rtol=1e-9, atol=1e-15)
    assert len(got) == 4


@pytest.mark.parametrize("checkpointing", [False, True])
def test_under_autocast_weights_that_are_cast_once_have_all_their_gradients(checkpointing):
    policy = _policy("llama", torch.float32)
    if checkpointing:
        policy.gradient_checkpointing_enable({"use_reentrant": False})
        policy.train()
    batch = pack([tiny.chain_tokens(9)])
    steps = []
    for tokens in (None, TOKENS):
        policy.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            found = tree_losses(policy, batch, _loss_of_pairs, branch_tokens=tokens)
        found.total.backward()
        steps.append({n: p.grad.clone() for n, p in policy.named_parameters() if p.requires_grad})
    for name, gradient in steps[0].items():
        assert (steps[1][name] - gradient).norm() <= 0.05 * gradient.norm(), name


def test_gradients_of_several_batches_add_up():
    policy = _policy("llama")
    batches = [pack([tiny.chain_tokens(4, seed=seed)]) for seed in (1, 2)]
    alone = [_step(policy, batch, branch_tokens=TOKENS)[1] for batch in batches]
    policy.zero_grad()
    for batch in batches:
        (3 * tree_losses(policy, batch, _loss_of_pairs, branch_tokens=TOKENS).total).backward()
    for name, weight in policy.named_parameters():
        if weight.requires_grad:
            torch.testing.assert_close(weight.grad, sum(g[name] for g in alone))


def test_branches_are_in_memory_for_their_part_alone():
    policy = _policy("llama", torch.float32)
    batch = pack([tiny.chain_tokens(32)])
    peaks = []
    for tokens in (None, 60):
        with LiveBytes() as memory:
            _step(policy, batch, branch_tokens=tokens)
        peaks.append(memory.peak)
    share = (batch.trunks.end + 60) / batch.tokens
    assert share < 0.5
    assert peaks[1] < (share + 0.1) * peaks[0]


def test_without_gradients_all_branches_are_read_at_once(monkeypatch):
    def never(*_):
        raise AssertionError

    policy = _policy("llama")
    batch = pack([tiny.chain_tokens(4)])
    monkeypatch.setattr(microbatch, "_losses_in_parts", never)
    with torch.no_grad():
        tree_losses(policy, batch, _loss_of_pairs, branch_tokens=TOKENS)
    with pytest.raises(AssertionError):
        tree_losses(policy, batch, _loss_of_pairs, branch_tokens=TOKENS)
