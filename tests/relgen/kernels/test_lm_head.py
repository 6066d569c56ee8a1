"""The frozen head against autograd."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from relgen.kernels import lm_head
from relgen.kernels.lm_head import (
    head_log_probabilities,
    is_frozen_head,
    token_log_probabilities,
)

pytestmark = pytest.mark.compute


def made(
    dtype: torch.dtype = torch.float64, *, bias: bool = True
) -> tuple[nn.Linear, Tensor, Tensor]:
    """A head of 50 words, 12 states and their targets."""
    torch.manual_seed(3)
    head = nn.Linear(8, 50, bias=bias, dtype=dtype).requires_grad_(False)
    states = 3 * torch.randn(12, 8, dtype=dtype)
    return head, states.requires_grad_(), torch.randint(50, (12,))


def by_autograd(head: nn.Linear, states: Tensor, ids: Tensor) -> Tensor:
    return head(states).float().log_softmax(-1)[torch.arange(len(ids)), ids]


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("targets", [5, 100])
@pytest.mark.parametrize("at_once", [1, 250, 1 << 20])
def test_values_and_gradients(
    monkeypatch: pytest.MonkeyPatch, bias: bool, at_once: int, targets: int
) -> None:
    monkeypatch.setattr(lm_head, "logits_at_once", lambda device: at_once)
    monkeypatch.setattr(lm_head, "_TARGETS_AT_ONCE", targets)
    head, states, ids = made(bias=bias)
    found = head_log_probabilities(head, states, ids)
    expected = head(states).log_softmax(-1)[torch.arange(12), ids]
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=0)
    weights = torch.randn(12, dtype=torch.float64)
    (ours,) = torch.autograd.grad(found @ weights, states)
    (theirs,) = torch.autograd.grad(expected @ weights, states)
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)


def test_large_logits_do_not_overflow() -> None:
    head, states, ids = made(torch.float32)
    found = head_log_probabilities(head, 1000 * states, ids)
    torch.testing.assert_close(found, by_autograd(head, 1000 * states, ids))
    assert found.isfinite().all()


def test_words_that_a_bias_rules_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lm_head, "logits_at_once", lambda device: 120)
    head, states, ids = made()
    head.bias[:20] = -torch.inf  # the first two parts
    ids = ids.clamp(20)
    found = head_log_probabilities(head, states, ids)
    expected = head(states).log_softmax(-1)[torch.arange(12), ids]
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=0)
    (gradient,) = torch.autograd.grad(found.sum(), states)
    assert gradient.isfinite().all()


def test_no_targets() -> None:
    head, states, ids = made()
    found = head_log_probabilities(head, states[:0], ids[:0])
    assert found.shape == (0,)
    (gradient,) = torch.autograd.grad(found.sum(), states)
    assert not gradient.any()


@pytest.mark.parametrize("autocast", [True, False])
def test_half_precision_ends_in_float32(autocast: bool) -> None:
    head, states, ids = made(torch.float32 if autocast else torch.bfloat16)
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        found = head_log_probabilities(head, states, ids)
        expected = by_autograd(head, states, ids)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected)
    (ours,) = torch.autograd.grad(found.sum(), states)
    (theirs,) = torch.autograd.grad(expected.sum(), states)
    assert ours.dtype == theirs.dtype == states.dtype
    torch.testing.assert_close(ours.float(), theirs.float(), atol=0.02, rtol=0.02)


def test_what_is_kept_does_not_grow_with_the_vocabulary() -> None:
    head, states, ids = made()
    kept: list[int] = []
    with torch.autograd.graph.saved_tensors_hooks(
        lambda t: kept.append(t.numel()) or t, lambda t: t
    ):
        head_log_probabilities(head, states, ids)
    assert kept == [states.numel()]
    with torch.no_grad():
        assert not head_log_probabilities(head, states, ids).requires_grad


def test_which_heads_it_computes() -> None:
    head, _, _ = made()
    assert is_frozen_head(head)
    assert not is_frozen_head(nn.Sequential(head))
    handle = head.register_forward_hook(lambda *_: None)
    assert not is_frozen_head(head)
    handle.remove()
    head.bias.requires_grad_()
    assert not is_frozen_head(head)


def test_token_log_probabilities_of_a_literal() -> None:
    logits = torch.tensor([[0.0, 0.0], [0.0, 1.0986123]])
    got = token_log_probabilities(logits, torch.tensor([0, 1]))
    # log 1/2, and log 3/4 since exp(1.0986) = 3
    torch.testing.assert_close(got, torch.tensor([-0.6931472, -0.2876821]))
    assert token_log_probabilities(logits.bfloat16(), torch.tensor([0, 1])).dtype == torch.float32
