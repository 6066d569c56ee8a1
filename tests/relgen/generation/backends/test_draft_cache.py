"""Drafts that share their prompt's keys and values against drafts with copies, and the rule."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from relgen.generation.backends import transformers
from relgen.generation.backends.base import Draft, DraftRequest
from relgen.generation.backends.cache import RaggedCache
from relgen.generation.backends.draft_cache import DraftCache, shares_prompts
from relgen.generation.backends.transformers import TransformersBackend
from relgen.generation.settings import GenerationSettings
from relgen.kernels import ATTENTION
from relgen.prompting.prompts import Prompt, PromptWriter, prompt_format, stop_ids
from tests import tiny

TOKENIZER = tiny.chat_tokenizer()
STOPS = stop_ids(TOKENIZER, "<|end|>", lines=1)
ROWS = [0, 2, 0, 1, 0, 2]
"""Chains of six drafts."""
LENGTHS = [7, 3, 60, 20, 60, 1]
"""The tokens of each at most: chain 1 leaves before the others."""


def model(attention: str = ATTENTION, dtype: torch.dtype = torch.float64) -> Any:
    made = tiny.writing_model(len(TOKENIZER), dtype)
    made.set_attn_implementation(attention)
    return made


def prompt(number: int) -> Prompt:
    writer = PromptWriter(prompt_format(TOKENIZER))
    return writer.prompt(next(iter(tiny.typed_schema())), list(tiny.labelled())[:number])


def drafts(temperature: float = 0.9) -> list[Draft]:
    settings = GenerationSettings(temperature=temperature)
    backend = TransformersBackend(model(), TOKENIZER, settings, STOPS)
    backend.prefill({chain: prompt(chain + 1) for chain in range(3)})
    requests = [
        DraftRequest(row, f"{place}", length, False, None)
        for place, (row, length) in enumerate(zip(ROWS, LENGTHS, strict=True))
    ]
    first, again = backend.decode(requests), backend.decode(requests)
    assert first == again  # the chains' own rows are as before
    return first


@pytest.mark.parametrize("temperature", [0.0, 0.9])
def test_drafts_are_those_of_copies(monkeypatch: pytest.MonkeyPatch, temperature: float) -> None:
    read: list[int] = []
    true = DraftCache.place

    def counted(self: DraftCache, rows: Sequence[int], *args: Any) -> tuple[Tensor, Tensor]:
        read.append(len(rows))
        return true(self, rows, *args)

    monkeypatch.setattr(DraftCache, "place", counted)
    found = drafts(temperature)
    assert read[0] == 5  # one of the six has a single token
    assert min(read) < 3
    reads = len(read)
    monkeypatch.setattr(transformers, "shares_prompts", lambda model, rows: False)
    wanted = drafts(temperature)
    assert len(read) == reads
    assert [draft.tokens for draft in found] == [draft.tokens for draft in wanted]
    assert max(draft.tokens for draft in found) > 32  # more than a first piece of storage
    for ours, theirs in zip(found, wanted, strict=True):
        assert ours.text == theirs.text
        torch.testing.assert_close(ours.logprobs, theirs.logprobs, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("scale", [None, 0.3])
def test_attention_is_the_softmax_over_prompt_and_draft(scale: float | None) -> None:
    """Of prompts of 5, 2 and 9 tokens, and drafts of them with 4 tokens each."""
    torch.manual_seed(1)
    heads, groups, width, own = 6, 2, 8, 4
    lengths = [5, 2, 9]
    prompts = RaggedCache(1)
    (layer,) = prompts.ragged
    states = [torch.randn(3, groups, 12, width, dtype=torch.float64) for _ in range(2)]
    layer.lazy_initialization(*states)
    layer.keys, layer.values = states
    prompts.lengths = list(lengths)
    cache = DraftCache(prompts, ROWS)
    query = torch.randn(6, heads, 1, width, dtype=torch.float64)
    key, value = (torch.randn(6, groups, own, width, dtype=torch.float64) for _ in range(2))
    output = cache.attend(0, query, key, value, scale)
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
    prompts = RaggedCache(1)
    (layer,) = prompts.ragged
    shared = torch.tensor([[[[-4000.0]], [[4000.0]]]])
    layer.lazy_initialization(shared, shared)
    layer.keys, layer.values = shared, torch.ones_like(shared)
    prompts.lengths = [1]
    query, value = torch.ones(2, 2, 1, 1), torch.zeros(2, 2, 1, 1)
    output = DraftCache(prompts, [0, 0]).attend(0, query, value, value, 1.0)
    assert output.tolist() == [[[[0.0], [1.0]]]] * 2


def test_where_prompts_are_shared() -> None:
    assert shares_prompts(model(), [0, 1, 0])
    assert not shares_prompts(model(), [0, 1, 2])
    assert not shares_prompts(model("sdpa"), [0, 0])
    assert not shares_prompts(model().to("meta"), [0, 0])
    assert not shares_prompts(model(dtype=torch.bfloat16), [0, 0])
    with torch.autocast("cpu", torch.bfloat16):
        assert not shares_prompts(model(), [0, 0])
    latent = model()
    latent.config.kv_lora_rank = 16
    assert not shares_prompts(latent, [0, 0])


def test_a_prompt_is_copied_once() -> None:
    """And only as long as a draft reads it."""
    settings = GenerationSettings()
    backend = TransformersBackend(model(), TOKENIZER, settings, STOPS)
    backend.prefill({chain: prompt(chain + 1) for chain in range(3)})
    cache = backend._copied(ROWS)
    assert isinstance(cache, DraftCache)
    assert len(cache._prompts.lengths) == 3
    lengths = dict(zip(range(3), cache._prompts.lengths, strict=True))
    cache.drop(3)  # the only one of chain 1
    assert sorted(cache._prompts.lengths) == sorted([lengths[0], lengths[2]])
    of_drafts = [cache._prompts.lengths[chain] for chain in cache._chains]
    assert of_drafts == [lengths[chain] for chain in (0, 2, 0, 2, 0)]
    assert (cache._hidden[:, 0] == 0).sum(-1).tolist() == cache._prompts.lengths
    assert cache._grid.tolist() == [[0, 2, 4], [1, 3, 1]]
    assert cache._flat.tolist() == [0, 3, 1, 4, 2]
    backend.reset()
    assert not backend._copies.ragged[0].is_initialized
