"""Which texts the grammar takes, and that inside its tags only the canonical tokens are allowed."""

from __future__ import annotations

import re

import numpy as np
import pytest
from llguidance import LLMatcher
from llguidance.gbnf_to_lark import gbnf_to_lark

from relgen.common.errors import InputError
from relgen.generation.grammar.llguidance import GrammarCompiler
from relgen.generation.grammar.spec import GrammarSpec, as_gbnf, as_regex
from relgen.prompting.prompts import encode
from tests import tiny

TOKENIZER = tiny.chat_tokenizer()
END = int(TOKENIZER.convert_tokens_to_ids("<|end|>"))
COMPILER = GrammarCompiler(TOKENIZER, len(TOKENIZER) + 3, [END])
SENTENCE = GrammarSpec(one_sentence=True, max_context_words=6)


def takes(spec: GrammarSpec, text: str) -> bool:
    """What decoding allows; the check of finished lines must say the same of each."""
    decoded = _decodes(spec, text)
    lines = text.split("\n")
    matched = len(lines) <= spec.lines and all(spec.matches(line) for line in lines)
    assert matched == decoded
    if spec.one_sentence and text.isascii():
        # what a server writes under these forms is then never refused afterwards
        assert (re.fullmatch(as_regex(spec), text) is not None) == decoded
        assert _takes_gbnf(spec, text) == decoded
    if decoded:
        assert re.fullmatch(as_regex(spec), text), as_regex(spec)
        assert _takes_gbnf(spec, text)
    return decoded


def _takes_gbnf(spec: GrammarSpec, text: str) -> bool:
    """Whether llama.cpp's grammar takes a text, read by llguidance."""
    grammar = LLMatcher.grammar_from_lark(gbnf_to_lark(as_gbnf(spec)))
    matcher = LLMatcher(COMPILER._tokenizer, grammar)
    assert not matcher.is_error(), matcher.get_error()
    tokens = [*encode(TOKENIZER, text), END]
    return matcher.validate_tokens(tokens) == len(tokens)


def _decodes(spec: GrammarSpec, text: str) -> bool:
    state = COMPILER.start(spec)
    for token in [*encode(TOKENIZER, text), END]:
        allowed = state.allowed()
        if allowed is None or not allowed[token] or not state.advance(token):
            return False
    return True


@pytest.mark.parametrize(
    "text",
    [
        "The <head>drought</head> left no <tail>harvest</tail>.",
        "A <tail>flood</tail>, in brief, after 3.5 days of <head>heavy U.S. rain</head>!",
        "<head>X</head> <tail>Y 2</tail> it is.",
        "<head>St. John's-Wood & Co.</head> has <tail>the other one of 2.5 m</tail>.",
    ],
)
def test_takes(text: str) -> None:
    assert takes(SENTENCE, text)
    assert takes(GrammarSpec(), text)


@pytest.mark.parametrize(
    "text",
    [
        "No tags at all.",
        "<head>one</head> and <head>two</head>.",
        "<head>one</head> and <tail></tail>.",
        "<head> one</head> and <tail>two</tail>.",
        "<head>one </head> and <tail>two</tail>.",
        "<head>one</head><tail>two</tail>.",
        "<head>...</head> and <tail>two</tail>.",
        " <head>one</head> and <tail>two</tail>.",
        "<head>one</head> and\n<tail>two</tail>.",
        "<head:A>one</head> and <tail>two</tail>.",
        f"<head>{'o' * 61}</head> and <tail>two</tail>.",
    ],
)
def test_refuses(text: str) -> None:
    assert not takes(SENTENCE, text)
    assert not takes(GrammarSpec(), text)


@pytest.mark.parametrize(
    "text",
    [
        "<head>one</head> and <tail>two</tail>",
        "<head>one</head> ends here.Then <tail>two</tail>.",
        "<head>one</head> ends. Then <tail>two</tail>.",
        "<head>one</head> and <tail>two</tail> end,.",
        "<head>one</head> and <tail>two</tail>,.",
        "A b c d e f g <head>one</head> and <tail>two</tail>.",
        "The <head>one, it ends here. Then</head> and <tail>two</tail>.",
        "The <head>one of the words of all that</head> and <tail>two</tail>.",
    ],
)
def test_one_sentence_is_stricter(text: str) -> None:
    assert takes(GrammarSpec(), text)
    assert not takes(SENTENCE, text)


@pytest.mark.parametrize(
    "mention",
    [
        *("मोहन", "দিল্লি", "เชียงใหม่", "القاهرةُ", "שָׁלוֹם", "東京", "e\u0301te\u0301"),
        *("(R)-warfarin", "(\u2212)-menthol", "[2H]5", "[3H]-dopamine", "5-HT\u2083", "$5", "5 %"),
        *("C#", "C++", "A-", ".NET", "AT&T", "@home", "!Kung", "Yahoo!", "...And Justice"),
        *("«Ленин»", "„Haus“", "¿Quién?", "'s-Hertogenbosch", "中国。", "x" * 60),
    ],
)
def test_entities_of_any_script(mention: str) -> None:
    assert takes(GrammarSpec(), f"<head>{mention}</head> and <tail>{mention}</tail>.")


def test_entities_touch_in_scripts_without_spaces() -> None:
    text = "<tail>北京大学</tail><head>王教授</head>退休了。"
    assert takes(GrammarSpec(adjacent=True), text)
    assert not takes(GrammarSpec(), text)


@pytest.mark.parametrize("one_sentence", [False, True])
@pytest.mark.parametrize(
    "text",
    [
        "The <head>University of <tail>Bern</tail></head> is old.",
        "The <tail><head>Bern</head> harbour</tail> is old.",
    ],
)
def test_entities_nest_where_those_shown_do(text: str, one_sentence: bool) -> None:
    assert takes(GrammarSpec(nested=True, one_sentence=one_sentence), text)
    assert takes(
        GrammarSpec(nested=True, one_sentence=one_sentence),
        "The <head>one</head> and <tail>two</tail>.",
    )
    assert not takes(GrammarSpec(one_sentence=one_sentence), text)
    assert not takes(GrammarSpec(nested=True), "The <head><tail>Bern</tail></head> is old.")


@pytest.mark.parametrize(
    "mention", ["\u093fक", ", one", "one,", "one (", ")one", "?!", "--", "()", "*", "one、", ":one"]
)
def test_entities_have_a_letter_and_whole_edges(mention: str) -> None:
    assert not GrammarSpec().matches(f"<head>{mention}</head> and <tail>two</tail>.")
    assert not _decodes(GrammarSpec(), f"<head>{mention}</head> and <tail>two</tail>.")


@pytest.mark.parametrize(
    "text",
    [
        "<head>मोहन</head> ने अपनी बहन <tail>सीता</tail> को साइकिल दी।",
        "<head>আকাশ</head> বহু বছর ধরে <tail>ঢাকা</tail> শহরে থাকে।",
        "هل تعيش <head>ليلى</head> في <tail>القاهرة</tail>؟",
        "Жила ли <head>Анна</head> в <tail>Москве</tail>?",
    ],
)
def test_one_sentence_of_a_script_with_spaces(text: str) -> None:
    assert takes(SENTENCE, text)


def test_lines_and_types() -> None:
    line = "<head:A B>one</head> and <tail>two</tail>."
    spec = GrammarSpec(lines=2, head_types=("A", "A B"))
    assert takes(spec, line)
    assert takes(spec, f"{line}\n{line}")
    assert not takes(spec, f"{line}\n{line}\n{line}")
    assert not takes(spec, line.replace("A B", "B"))


def test_forced_text_has_one_tokenisation() -> None:
    state = COMPILER.start(GrammarSpec())
    tokens = encode(TOKENIZER, "<head>drought</head>")
    forced = encode(TOKENIZER, "<head>")
    assert tokens[: len(forced)] == forced
    for place, token in enumerate(forced):
        allowed = state.allowed()
        assert allowed is not None
        # after the first letter of the tag's name nothing but its own tokens may follow
        if place > 1:
            assert allowed.nonzero()[0].tolist() == [token]
        assert state.advance(token)


OPEN = GrammarSpec(
    one_sentence=True, max_entity_words=None, max_context_words=None, max_word_chars=None
)
WORDS = "the long dry summer of that year " * 20


@pytest.mark.parametrize(
    ("text", "taken"),
    [
        (f"The <head>drought</head> of {WORDS}took the <tail>harvest</tail>.", True),
        (f"The <head>{WORDS}drought</head> took the <tail>harvest</tail>.", True),
        (f"The <head>drought</head> took {'glued' * 30} <tail>harvest</tail>.", True),
        (f"The <head>drought</head> of {WORDS}took the <tail>harvest</tail>", False),
        (f"The drought of {WORDS}took the <tail>harvest</tail>.", False),
    ],
)
def test_open_limits(text: str, taken: bool) -> None:
    assert takes(OPEN, text) == taken


def test_open_limits_without_one_sentence() -> None:
    assert takes(GrammarSpec(max_context_chars=None), f"<head>a</head>{WORDS}<tail>b</tail>{WORDS}")
    assert not takes(GrammarSpec(max_context_chars=None), f"<head>a</head>{WORDS}")


def test_an_automaton_at_its_limit_is_begun_afresh(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "The <head>drought</head> left the village with no <tail>harvest</tail>."
    tokens = [*encode(TOKENIZER, text), END]
    whole = COMPILER.start(SENTENCE)
    expected = []
    for token in tokens:
        expected.append(whole.allowed())
        assert whole.advance(token)
    compiled = GrammarCompiler._compiled
    made: list[GrammarSpec] = []

    def counted(self: GrammarCompiler, spec: GrammarSpec) -> LLMatcher:
        made.append(spec)
        return compiled(self, spec)

    monkeypatch.setattr("relgen.generation.grammar.llguidance._MAX_STATES", 400)
    monkeypatch.setattr(GrammarCompiler, "_compiled", counted)
    numbers = []
    for drafts in (1, 3):  # the drafts of a batch go on with the same one
        made.clear()
        compiler = GrammarCompiler(TOKENIZER, len(TOKENIZER) + 3, [END])
        states = [compiler.start(SENTENCE) for _ in range(drafts)]
        for token, mask in zip(tokens, expected, strict=True):
            for state in states:
                np.testing.assert_array_equal(state.allowed(), mask)
                assert state.advance(token)
        numbers.append(len(made))
    assert numbers[0] == numbers[1] > 1


def test_a_slow_tokeniser_is_refused() -> None:
    with pytest.raises(InputError, match="--no-grammar"):
        GrammarCompiler(_Slow(), 10, [0])  # type: ignore[arg-type]


class _Slow:
    def __len__(self) -> int:
        return 10
