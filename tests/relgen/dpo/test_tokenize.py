from __future__ import annotations

import dataclasses

import pytest

from relgen.common.errors import InputError
from relgen.dpo.tokenize import tokenise_chain
from relgen.prompting.prompts import PromptWriter, encode, prompt_format
from tests import tiny

TOKENIZER = tiny.tokenizer()
WRITER = PromptWriter(prompt_format(TOKENIZER))
RELATION = tiny.SCHEMA["cause"]


def tokens(pairs: int, max_length: int = 10_000):
    chain = tiny.chain(pairs)
    return tokenise_chain(chain, RELATION, WRITER, TOKENIZER, max_length=max_length)


def test_segments_join_to_what_generation_is_asked():
    """The prompt of pair k, joined from the chain's segments, is the generator's prompt."""
    chain, got = tiny.chain(4), tokens(4)
    for step in range(4):
        prompt = WRITER.prompt(RELATION, chain.demonstrations(step))
        wanted = [i for segment in prompt.segments for i in encode(TOKENIZER, segment)]
        shown = [i for part in got.demonstrations[: step + 1] for i in part]
        assert got.prefix + shown + got.cue == wanted


def test_completions_are_tagged_text_and_terminator():
    got = tokens(3)
    assert TOKENIZER.decode(got.chosen[0]) == (
        "The <head>virus</head> led 1 times to <tail>crash</tail>.<|end|>"
    )
    assert TOKENIZER.decode(got.rejected[0]) == (
        "The <head>wheel</head> belongs to the <tail>cart</tail>.<|end|>"
    )
    assert TOKENIZER.decode(got.demonstrations[0]) == (
        "The <head>rain</head> led 0 times to <tail>flood</tail>.\n"
    )
    assert got.kinds == [0, 1, 2]


def test_a_chain_ends_before_the_pair_that_does_not_fit():
    whole = tokens(5)
    paths = [
        fork + len(whole.cue) + max(len(c), len(r))
        for fork, c, r in zip(whole.forks(), whole.chosen, whole.rejected, strict=True)
    ]
    assert paths == sorted(paths)
    cut = tokens(5, max_length=paths[2])
    assert (len(cut.chosen), cut.cut) == (3, 2)
    assert cut.chosen == whole.chosen[:3]
    assert cut.demonstrations == whole.demonstrations[:3]
    assert tokens(5, max_length=paths[2] - 1).cut == 3
    assert tokens(5, max_length=paths[4]).cut == 0


def test_a_completion_that_cannot_fit_raises():
    with pytest.raises(InputError, match=r"pair 0 of chain 'cause#0' needs \d+ tokens .*got 40"):
        tokens(3, max_length=40)


def test_a_tokenizer_without_line_ends_raises(monkeypatch):
    monkeypatch.setattr("relgen.dpo.tokenize.encode", lambda tokenizer, text: [])
    with pytest.raises(InputError, match=r"field 'model': its tokenizer has no tokens for '.*lang"):
        tokens(3)


def test_a_long_completion_late_in_the_chain_raises_too():
    chain = tiny.chain(3)
    long = tiny.sample("long", "rain", "led " * 200 + "to", "flood")
    pairs = (*chain.pairs[:2], dataclasses.replace(chain.pairs[2], rejected=long))
    with pytest.raises(InputError, match="pair 2 of chain"):
        tokenise_chain(
            dataclasses.replace(chain, pairs=pairs), RELATION, WRITER, TOKENIZER, max_length=250
        )


def test_key_names_the_tokens_not_the_chain():
    chain = tiny.chain_tokens(3)
    assert dataclasses.replace(chain, id="other", cut=1).key == chain.key
    other = [*chain.chosen[:2], [5, 0]]
    assert dataclasses.replace(chain, chosen=other).key != chain.key


def test_counts_by_hand():
    chain = dataclasses.replace(
        tiny.chain_tokens(2),
        prefix=[1, 2],
        demonstrations=[[3], [4, 5]],
        cue=[6, 7],
        chosen=[[10, 0], [12, 0]],
        rejected=[[20, 21, 0], [22, 0]],
    )
    assert chain.forks() == [3, 5]
    assert chain.tree_tokens == 5 + 2 * 2 + 9
    assert chain.row_tokens == 2 * (3 + 2) + 5 + 2 * (5 + 2) + 4
