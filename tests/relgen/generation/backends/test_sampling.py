"""From logits to tokens, worked out by hand and against transformers' processors."""

from __future__ import annotations

import math

import pytest
import torch
from transformers import (
    LogitsProcessorList,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from relgen.generation.backends.sampling import choose_tokens, nucleus, penalise_repetition

pytestmark = pytest.mark.compute

PAPER = {"temperature": 0.4, "top_k": 20, "top_p": 0.9, "repetition_penalty": 1.15}


def test_penalty_by_hand() -> None:
    logits = torch.tensor([[2.0, -2.0, 2.0, -2.0]])
    seen = torch.tensor([[True, True, False, False]])
    assert penalise_repetition(logits, seen, 2.0).tolist() == [[1.0, -4.0, 2.0, -2.0]]


def test_nucleus_by_hand() -> None:
    scores = torch.tensor([[0.1, 0.5, 0.3, 0.1]]).log()
    ids, probabilities = nucleus(scores, 1.0, 3, 0.6)
    assert ids.tolist() == [[1, 2, 0]]
    # of the three most probable (5/9, 3/9, 1/9) two are needed to reach 0.6
    assert torch.allclose(probabilities, torch.tensor([[0.625, 0.375, 0.0]]))


def test_same_distribution_as_transformers() -> None:
    torch.manual_seed(0)
    logits, prompt = torch.randn(3, 200) * 3, torch.randint(0, 200, (3, 30))
    processors = LogitsProcessorList(
        [
            RepetitionPenaltyLogitsProcessor(1.15),
            TemperatureLogitsWarper(0.4),
            TopKLogitsWarper(20),
            TopPLogitsWarper(0.9),
        ]
    )
    expected = torch.softmax(processors(prompt, logits.clone()), -1)
    seen = torch.zeros(3, 200, dtype=torch.bool).scatter(1, prompt, True)
    ids, probabilities = nucleus(penalise_repetition(logits, seen, 1.15), 0.4, 20, 0.9)
    assert torch.allclose(torch.zeros(3, 200).scatter(1, ids, probabilities), expected, atol=1e-6)


def test_uniform_numbers_walk_through_the_distribution() -> None:
    logits = torch.tensor([[0.5, 0.25, 0.25]]).log().repeat(5, 1)
    uniform = torch.tensor([0.0, 0.49, 0.51, 0.76, 0.9999999])
    seen = torch.zeros(5, 3, dtype=torch.bool)
    options = {**PAPER, "temperature": 1.0, "top_k": None, "top_p": 1.0, "repetition_penalty": 1.0}
    ids, logprobs = choose_tokens(logits, seen, None, uniform, **options)
    assert ids[:2].tolist() == [0, 0]
    assert sorted(ids[2:4].tolist()) == [1, 2]
    assert ids[3] == ids[4]
    assert torch.allclose(logprobs[:2], torch.full((2,), math.log(0.5)))


def test_forbidden_tokens_are_never_drawn_and_logprobs_ignore_the_mask() -> None:
    logits = torch.tensor([[0.7, 0.2, 0.1]]).log().repeat(50, 1)
    allowed = torch.tensor([[False, True, False]]).repeat(50, 1)
    seen = torch.zeros_like(allowed)
    for temperature in (0.0, 0.4):
        options = {**PAPER, "temperature": temperature}
        ids, logprobs = choose_tokens(logits, seen, allowed, torch.rand(50), **options)
        assert set(ids.tolist()) == {1}
        assert torch.allclose(logprobs, torch.full((50,), math.log(0.2)))
