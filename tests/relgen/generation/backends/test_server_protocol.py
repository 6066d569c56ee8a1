"""Request bodies, and drafts in answers, by hand."""

from __future__ import annotations

from typing import Any

import pytest

from relgen.generation.backends.base import Draft
from relgen.generation.backends.server_protocol import (
    UnusableAnswerError,
    read_answer,
    unsent,
)
from relgen.generation.files.journal import Usage
from relgen.generation.settings import GenerationSettings

pytestmark = pytest.mark.compute

USAGE = {"prompt_tokens": 9, "completion_tokens": 4}


def answer(text: str, **choice: Any) -> dict[str, Any]:
    return {"choices": [{"text": text, **choice}], "usage": USAGE}


def test_a_draft_is_the_whole_answer() -> None:
    logprobs = {"tokens": ["\n", "a", "\n", "b"], "token_logprobs": [-1.0, -2.0, -4.0, None]}
    found, usage = read_answer(
        answer("\n a\nb", finish_reason="length", logprobs=logprobs), "completions", 9
    )
    assert found == Draft("\n a\nb", "length", 4, (-1.0, -3.0, -9999.0))
    assert usage == Usage(prompt=9, completion=4, answers=1)


def test_reasoning_stands_for_an_empty_answer() -> None:
    message = {"content": None, "reasoning_content": "I think"}
    choice = {"message": message, "finish_reason": "length"}
    found, usage = read_answer({"choices": [choice]}, "chat", 9)
    assert found == Draft("<think>I think", "length", 0, (None,))
    assert usage is None


def test_a_text_far_longer_than_asked_for_is_refused() -> None:
    found, _ = read_answer(answer("x" * 4_672), "completions", 9)
    assert len(found.text) == 4_672  # 4,096 and 64 for each of 9 tokens
    with pytest.raises(UnusableAnswerError, match="4673 characters where 9 tokens"):
        read_answer(answer("x" * 4_673), "completions", 9)


@pytest.mark.parametrize("count", [10**400, float("inf"), float("nan"), 10**10, -1, "x", [1]])
def test_token_counts_that_cannot_be_are_none(count: Any) -> None:
    raw = {**answer("a"), "usage": {"prompt_tokens": 1, "completion_tokens": count}}
    assert read_answer(raw, "completions", 9)[1] is None


def test_a_log_probability_that_no_float_holds_is_an_unexpected_shape() -> None:
    logprobs = {"tokens": ["a"], "token_logprobs": [-(10**400)]}
    with pytest.raises(UnusableAnswerError, match="unexpected shape"):
        read_answer(answer("a", logprobs=logprobs), "completions", 9)


@pytest.mark.parametrize("raw", [None, {"choices": []}, answer("x", logprobs="y"), answer(7)])  # type: ignore[arg-type]
def test_an_answer_without_a_draft_may_be_billed(raw: Any) -> None:
    with pytest.raises(UnusableAnswerError) as caught:
        read_answer(raw, "completions", 9)
    paid = USAGE if raw and "usage" in raw else {"prompt_tokens": 0, "completion_tokens": 0}
    assert caught.value.usage == Usage(*paid.values(), unusable=1)


def test_settings_that_a_server_takes_no_parameter_for() -> None:
    def of(kind: str) -> list[str]:
        return unsent(GenerationSettings(backend="openai", server={"kind": kind}))  # type: ignore[arg-type]

    assert of("openai") == ["top_k", "repetition_penalty", "grammar"]
    assert of("vllm") == []
