"""Drafts that share their prompt's keys and values against drafts with copies, and the rule."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import LlamaConfig

from relgen.generation.backends import transformers
from relgen.generation.backends.base import Draft, DraftRequest
from relgen.generation.backends.draft_cache import (
    DraftCache,
    decoding_difference,
    may_share,
    shares_prompts,
)
from relgen.generation.backends.transformers import TransformersBackend
from relgen.generation.settings import GenerationSettings
from relgen.kernels import ATTENTION
from relgen.models.verification import small_model
from relgen.prompting.prompts import Prompt, PromptWriter, prompt_format, stop_ids
from tests import tiny

pytestmark = pytest.mark.compute

TOKENIZER = tiny.chat_tokenizer()
STOPS = stop_ids(TOKENIZER, "<|end|>", lines=1)
ROWS = [0, 2, 0, 1, 0, 2]
"""Chains of six drafts."""
LENGTHS = [7, 3, 60, 20, 60, 1]
"""The tokens of each at most: chain 1 leaves before the others."""


@pytest.fixture(autouse=True)
def _kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RELGEN_KERNELS", raising=False)


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


def test_where_prompts_are_shared(monkeypatch: pytest.MonkeyPatch) -> None:
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
    monkeypatch.setenv("RELGEN_KERNELS", "-drafts")
    assert not shares_prompts(model(), [0, 0])


def test_shared_prompts_are_compared_where_drafts_share_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    small = small_model(LlamaConfig())
    with torch.inference_mode():
        assert len(decoding_difference(small)) == 2
        assert len(decoding_difference(small, shared=False)) == 1
        monkeypatch.setenv("RELGEN_KERNELS", "off")
        assert len(decoding_difference(small)) == 1
    assert not may_share(torch.device("cuda"), torch.float32)
    assert not may_share(torch.device("cpu"), torch.bfloat16)


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
    assert (cache.shared._hidden[:, 0] == 0).sum(-1).tolist() == cache._prompts.lengths
    assert cache.shared._grid.tolist() == [[0, 2, 4], [1, 3, 1]]
    assert cache.shared._flat.tolist() == [0, 3, 1, 4, 2]
    backend.reset()
    assert not backend._copies.ragged[0].is_initialized
