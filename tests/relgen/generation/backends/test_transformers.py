"""The cached batch loop against `transformers.generate` without a kept cache."""

from __future__ import annotations

import pytest
import torch
from transformers import PreTrainedModel

from relgen.data.tagged_text import parse
from relgen.generation.backends.base import DraftRequest
from relgen.generation.backends.cache import RaggedCache
from relgen.generation.backends.transformers import TransformersBackend
from relgen.generation.grammar.spec import GrammarSpec
from relgen.generation.settings import GenerationSettings
from relgen.kernels import ATTENTION
from relgen.prompting.prompts import Prompt, PromptWriter, encode, prompt_format, stop_ids
from tests import tiny

pytestmark = pytest.mark.compute

TOKENIZER = tiny.chat_tokenizer()
MODEL = tiny.writing_model(len(TOKENIZER) + 5)
STOPS = stop_ids(TOKENIZER, "<|end|>", lines=1)


def backend(**changes: object) -> TransformersBackend:
    settings = GenerationSettings(**{"temperature": 0, "repetition_penalty": 1.15, **changes})
    return TransformersBackend(MODEL, TOKENIZER, settings, STOPS)


def request(chain: int, key: str = "k", **changes: object) -> DraftRequest:
    values = {"max_tokens": 24, "one_line": False, "grammar": None, **changes}
    return DraftRequest(chain, key, **values)


def prompts(number: int, *, first: int = 0, relation: int = 0) -> Prompt:
    """A prompt with `number` demonstrations, other ones for another `first`."""
    shown = [tiny.labelled()[(first + i) % 4] for i in range(number)]
    writer = PromptWriter(prompt_format(TOKENIZER))
    return writer.prompt(list(tiny.typed_schema())[relation], shown)


def generated(
    prompt: Prompt, penalty: float = 1.15, length: int = 24, model: PreTrainedModel = MODEL
) -> str:
    """What `transformers.generate` gives for the prompt, read at once."""
    ids = [token for segment in prompt.segments for token in encode(TOKENIZER, segment)]
    output = model.generate(
        torch.tensor([ids]),
        attention_mask=torch.ones(1, len(ids)),
        do_sample=False,
        max_new_tokens=length,
        repetition_penalty=penalty,
        eos_token_id=STOPS,
        pad_token_id=0,
    )[0, len(ids) :].tolist()
    if output[-1] in STOPS:
        output.pop()
    return TOKENIZER.decode(output, skip_special_tokens=False, clean_up_tokenization_spaces=False)


@pytest.mark.parametrize("penalty", [1.0, 1.15])
def test_cached_batch_gives_what_transformers_gives_row_by_row(penalty: float) -> None:
    cached = backend(repetition_penalty=penalty)
    current = {0: prompts(1), 1: prompts(3, first=2), 2: prompts(2, first=1)}
    cached.prefill(current)
    for step in range(4):
        requests = [request(chain) for chain in current]
        texts = [draft.text for draft in cached.decode(requests)]
        assert texts == [generated(prompt, penalty) for prompt in current.values()]
        # chains grow, one is retried, one gets other demonstrations (AAO, a window)
        grown = {0: prompts(step + 2)}
        if step % 2:
            grown[2] = prompts(2, first=step)
        cached.prefill(grown)
        current.update(grown)


@pytest.mark.parametrize("family", tiny.WINDOWED)
def test_windows_and_soft_caps_are_those_of_the_models_own_attention(family: str) -> None:
    own = tiny.writing_model(len(TOKENIZER) + 5, family=family)
    ours = tiny.writing_model(len(TOKENIZER) + 5, family=family)
    ours.set_attn_implementation(ATTENTION)
    settings = GenerationSettings(temperature=0, repetition_penalty=1.15)
    cached = TransformersBackend(ours, TOKENIZER, settings, STOPS)
    current = {0: prompts(1), 1: prompts(3, first=2)}
    for _ in range(2):
        cached.prefill(current)
        requests = [request(chain) for chain in [0, 1, 1]]
        texts = [draft.text for draft in cached.decode(requests)]
        expected = [generated(current[chain], model=own) for chain in (0, 1, 1)]
        assert texts == expected
        current[0] = prompts(2)


def test_a_drafts_length_does_not_disturb_the_others() -> None:
    cached = backend()
    current = {chain: prompts(1 + chain, first=chain) for chain in range(4)}
    cached.prefill(current)
    lengths = [3, 40, 1, 17]
    drafts = cached.decode(
        [request(chain, max_tokens=n) for chain, n in zip(current, lengths, strict=True)]
    )
    expected = [generated(current[c], length=n) for c, n in zip(current, lengths, strict=True)]
    assert [draft.text for draft in drafts] == expected


def test_feeds_only_what_is_new() -> None:
    cached = backend()
    fed: list[int] = []
    handle = MODEL.register_forward_pre_hook(
        lambda module, args, kwargs: fed.append(kwargs["input_ids"].shape[1]), with_kwargs=True
    )
    try:
        cached.prefill({0: prompts(1)})
        cached.decode([request(0, max_tokens=2)])
        cached.prefill({0: prompts(2)})
    finally:
        handle.remove()
    new = prompts(2)
    demonstration, cue = (len(encode(TOKENIZER, text)) for text in (new.demonstrations[1], new.cue))
    whole = sum(len(encode(TOKENIZER, text)) for text in prompts(1).segments)
    assert fed == [whole, 1, demonstration + cue]


def test_reads_once_what_new_chains_have_in_common() -> None:
    cached = backend()
    current = {0: prompts(1), 1: prompts(1, first=2), 2: prompts(1, relation=1), 3: prompts(2)}
    fed: list[tuple[int, ...]] = []
    handle = MODEL.register_forward_pre_hook(
        lambda module, args, kwargs: fed.append(tuple(kwargs["input_ids"].shape)), with_kwargs=True
    )
    try:
        cached.prefill(current)
    finally:
        handle.remove()
    first, other = (encode(TOKENIZER, current[chain].prefix) for chain in (0, 2))
    shared = next(i for i, (a, b) in enumerate(zip(first, other, strict=False)) if a != b)
    assert shared > 20
    # the description for all, the explanations for two relations, and what is each chain's own
    assert fed[:2] == [(1, shared), (2, max(len(first), len(other)) - shared)]
    assert fed[2][0] == 4
    assert fed[2][1] < min(len(first), len(other))
    drafts = cached.decode([request(chain) for chain in current])
    assert [draft.text for draft in drafts] == [generated(prompt) for prompt in current.values()]


@pytest.mark.parametrize("length", [127, 128])
def test_a_row_is_copied_to_others_however_full_its_storage_is(length: int) -> None:
    cache = RaggedCache(1)
    keys, values = torch.randn(2, 1, 2, length, 4)
    cache.place([0], [length], torch.device("cpu"))
    cache.ragged[0].update(keys, values)
    cache.spread(0, [1, 2])
    assert cache.lengths == [length] * 3
    layer = cache.ragged[0]
    assert layer.keys.shape[2] == 128
    for row in range(3):
        assert torch.equal(layer.keys[row, :, :length], keys[0])
        assert torch.equal(layer.values[row, :, :length], values[0])


def test_draws_do_not_depend_on_the_batch() -> None:
    sampled = backend(temperature=1.0, top_k=None, top_p=1.0)
    current = {0: prompts(1), 1: prompts(3, first=2), 2: prompts(2, first=1)}
    sampled.prefill(current)
    together = sampled.decode([request(chain, key=f"key-{chain}") for chain in current])
    again = sampled.decode([request(1, key="key-1")])
    other = sampled.decode([request(1, key="another")])
    assert again[0].text == together[1].text
    assert other[0].text != together[1].text


def test_logprobs_are_those_of_the_unmodified_policy() -> None:
    cached = backend()
    prompt = prompts(2)
    cached.prefill({0: prompt})
    draft = cached.decode([request(0, max_tokens=6)])[0]
    ids = [token for segment in prompt.segments for token in encode(TOKENIZER, segment)]
    written = cached_ids(draft.text)
    assert len(written) == draft.tokens == 6
    with torch.no_grad():
        logits = MODEL(torch.tensor([ids + written])).logits[0, len(ids) - 1 : -1]
    expected = torch.log_softmax(logits, -1)[range(6), written].mean().item()
    assert draft.logprobs == (round(expected, 6),)


def cached_ids(text: str) -> list[int]:
    """The greedy ids again: a random model's text need not tokenise to the ids it wrote."""
    prompt = prompts(2)
    ids = [token for segment in prompt.segments for token in encode(TOKENIZER, segment)]
    output = MODEL.generate(
        torch.tensor([ids]),
        attention_mask=torch.ones(1, len(ids)),
        do_sample=False,
        max_new_tokens=6,
        repetition_penalty=1.15,
        eos_token_id=STOPS,
        pad_token_id=0,
    )[0, len(ids) :].tolist()
    assert TOKENIZER.decode(output) == text
    return output


@pytest.mark.parametrize("one_sentence", [False, True])
def test_grammar_makes_a_random_model_write_well_formed_lines(one_sentence: bool) -> None:
    sampled = backend(temperature=1.5, top_k=None, top_p=1.0)
    sampled.prefill({0: prompts(1), 1: prompts(2)})
    spec = GrammarSpec(
        lines=3,
        max_entity_chars=8,
        max_entity_words=1,
        max_context_chars=12,
        max_context_words=2,
        one_sentence=one_sentence,
        head_types=("A", "B-C"),
    )
    requests = [request(i % 2, key=str(i), max_tokens=600, grammar=spec) for i in range(12)]
    for draft in sampled.decode(requests):
        assert draft.finish == "stop"
        lines = draft.text.split("\n")
        assert 1 <= len(lines) <= 3
        assert len(draft.logprobs) == len(lines)
        for line in lines:
            parsed = parse(line)
            assert parsed.head.type in ("A", "B-C")
            assert parsed.tail.type is None
            # in one sentence, `3.5` counts as one character
            assert parsed.head.end - parsed.head.start <= (24 if one_sentence else 8)


def test_one_line_ends_at_a_line_break_after_text() -> None:
    cached = backend()
    breaks = encode(TOKENIZER, "\n")
    draft = cached._finished(
        _writing([*breaks, *encode(TOKENIZER, "ab c"), *breaks], one_line=True)
    )
    assert draft.text == "ab c"


def _writing(ids: list[int], *, one_line: bool) -> object:
    import random

    from relgen.generation.backends.transformers import _Row, _Writing

    wanted = request(0, one_line=one_line)
    return _Writing(wanted, _Row(0), random.Random(0), None, 24, ids, [-1.0] * len(ids), "stop")


def test_stop_ids_of_chat_and_plain_models() -> None:
    end, eos = TOKENIZER.convert_tokens_to_ids(["<|end|>", "<|eos|>"])
    newline = encode(TOKENIZER, "\n")[0]
    assert stop_ids(TOKENIZER, "<|end|>", lines=1) == sorted([end, eos])
    assert stop_ids(TOKENIZER, "\n", lines=1) == sorted([newline, eos])
    assert stop_ids(TOKENIZER, "\n", lines=4) == [eos]
