"""From what a server sent to a draft. What cannot be read is the server's failure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from relgen.generation.backends.base import Draft, Finish, read_text
from relgen.generation.backends.server_settings import Api
from relgen.generation.backends.usage import Usage


class UnusableAnswerError(Exception):
    """An answer that holds no draft.

    Args:
        problem: what is wrong with it.
        usage: it may have been paid for all the same.
    """

    def __init__(self, problem: str, usage: Usage | None = None) -> None:
        super().__init__(problem)
        counted = usage or Usage()
        self.usage = Usage(counted.prompt, counted.completion, unusable=1)


@dataclass(frozen=True, slots=True)
class Answer:
    """A draft, and the tokens that the server counted; None where it does not say."""

    draft: Draft
    usage: Usage | None

    @property
    def counted(self) -> Usage:
        """What is known of the tokens."""
        return self.usage or Usage(completion=self.draft.tokens, answers=1)


def read_answer(raw: Any, api: Api, *, one_line: bool) -> Answer:
    """Reads one answer of the endpoint.

    Args:
        raw: the decoded JSON.
        api: which endpoint gave it.
        one_line: keep the first line that holds a text.

    Raises:
        UnusableAnswerError: it is no answer, or an error in the shape of one.
    """
    usage = _usage(raw.get("usage")) if isinstance(raw, dict) else None
    if not isinstance(raw, dict) or not isinstance(raw.get("choices"), list) or not raw["choices"]:
        raise UnusableAnswerError(f"no choices in {str(raw)[:120]!r}", usage)
    choice = raw["choices"][0]
    try:
        text = choice["message"]["content"] if api == "chat" else choice["text"]
        pieces, logprobs = _token_logprobs(choice.get("logprobs"))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UnusableAnswerError(f"an answer of another shape ({error!r})", usage) from error
    text = "" if text is None else text  # a refusal, or nothing but reasoning
    if not isinstance(text, str):
        raise UnusableAnswerError(f"a text was expected, not {str(text)[:120]!r}", usage)
    finish: Finish = "length" if choice.get("finish_reason") == "length" else "stop"
    tokens = usage.completion if usage is not None else len(logprobs)
    draft = read_text(text, finish, tokens, pieces, logprobs, one_line=one_line)
    return Answer(draft, usage)


def _token_logprobs(found: Any) -> tuple[list[str], list[float]]:
    """The tokens' texts and log-probabilities, in the shape of either endpoint; empty without."""
    if not found:
        return [], []
    if found.get("content") is not None:
        pairs = [(entry["token"], entry["logprob"]) for entry in found["content"]]
    elif found.get("tokens") is not None:
        pairs = list(zip(found["tokens"], found["token_logprobs"], strict=True))
    else:
        return [], []
    # what is impossible comes as null or -inf; JSON has neither, and vLLM writes this number
    numbers = [-math.inf if p is None else float(p) for _, p in pairs]
    return [str(text) for text, _ in pairs], [p if math.isfinite(p) else -9999.0 for p in numbers]


def _usage(found: Any) -> Usage | None:
    try:
        prompt, completion = int(found["prompt_tokens"]), int(found["completion_tokens"])
    except (KeyError, TypeError, ValueError):
        return None
    return Usage(prompt, completion, 1) if min(prompt, completion) >= 0 else None
