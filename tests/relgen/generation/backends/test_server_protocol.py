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

USAGE = {"prompt_tokens": 9, "completion_tokens": 4}


def answer(text: str, **choice: Any) -> dict[str, Any]:
    return {"choices": [{"text": text, **choice}], "usage": USAGE}


def test_one_line_is_the_first_with_a_text() -> None:
    logprobs = {"tokens": ["\n", "a", "\n", "b"], "token_logprobs": [-1.0, -2.0, -4.0, None]}
    found, usage = read_answer(
        answer("\n a\nb", finish_reason="length", logprobs=logprobs), "completions", one_line=True
    )
    assert found == Draft("a", "stop", 4, (-3.0,))  # its line break follows, so it is complete
    assert usage == Usage(prompt=9, completion=4, answers=1)


def test_all_lines_of_a_chat_answer() -> None:
    choice = {"message": {"content": "a \n b"}, "finish_reason": "length"}
    found, usage = read_answer({"choices": [choice]}, "chat", one_line=False)
    assert found == Draft("a\nb", "length", 0, (None, None))
    assert usage is None


@pytest.mark.parametrize("raw", [None, {"choices": []}, answer("x", logprobs="y"), answer(7)])  # type: ignore[arg-type]
def test_an_answer_without_a_draft_may_be_billed(raw: Any) -> None:
    with pytest.raises(UnusableAnswerError) as caught:
        read_answer(raw, "completions", one_line=True)
    paid = USAGE if raw and "usage" in raw else {"prompt_tokens": 0, "completion_tokens": 0}
    assert caught.value.usage == Usage(*paid.values(), unusable=1)


def test_settings_that_a_server_takes_no_parameter_for() -> None:
    def of(kind: str) -> list[str]:
        return unsent(GenerationSettings(backend="openai", server={"kind": kind}))  # type: ignore[arg-type]

    assert of("openai") == ["top_k", "repetition_penalty", "grammar"]
    assert of("vllm") == []
