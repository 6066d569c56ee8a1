"""Builds request bodies and parses answers of the OpenAI API.

Servers add parameters of their own, and refuse or ignore those of others, so each kind of server is
sent only those that it supports.
"""

from __future__ import annotations

import hashlib
import math
import reprlib
from typing import Any

from relgen.generation.backends.base import Draft, DraftRequest, Finish, line_logprobs
from relgen.generation.files.journal import Usage
from relgen.generation.grammar.spec import as_gbnf, as_regex
from relgen.generation.settings import Api, GenerationSettings, ServerKind
from relgen.prompting import CHAT, Prompt

Body = dict[str, Any]
EXTENDED: tuple[ServerKind, ...] = ("vllm", "llama.cpp")
"""Kinds that take top_k, a repetition penalty and a grammar, and return log-probabilities."""
# the penalty covers the whole prompt, as elsewhere in relgen; newer servers refuse -1 for that
_LLAMA_CPP_WINDOW = 1 << 14
# no tokeniser's words are longer on average; one answer takes no more tokens
_CHARS, _CHARS_PER_TOKEN, _MOST_TOKENS = 4096, 64, 10**9


class UnusableAnswerError(Exception):
    """An answer that holds no draft; `usage` counts its tokens, which may be billed."""

    def __init__(self, problem: str, usage: Usage | None = None) -> None:
        super().__init__(problem)
        self.usage = (usage or Usage())._replace(answers=0, unusable=1)


def request_body(settings: GenerationSettings, prompt: Prompt, request: DraftRequest) -> Body:
    """Return the JSON object that requests one draft.

    The prompt is in the format `CHAT` for the chat API, else in the model's chat template.
    """
    server = settings.server
    assert server is not None
    # the older completions endpoint of hosted servers rejects the new name
    renamed = server.kind == "openai" and server.api == "chat"
    body: Body = {
        "model": settings.model,
        "temperature": settings.temperature,
        "top_p": settings.top_p,
        # 31 bits
        "seed": int.from_bytes(hashlib.sha256(request.key.encode()).digest()[:4], "big") >> 1,
        "max_completion_tokens" if renamed else "max_tokens": request.max_tokens,
    }
    if server.api == "completions":
        body["prompt"] = prompt.text
    elif server.system_role:
        # the Task Description contains no empty line
        description, rest = prompt.text.split(CHAT.middle, 1)
        messages = {"system": description, "user": rest}
        body["messages"] = [{"role": role, "content": text} for role, text in messages.items()]
    else:
        body["messages"] = [{"role": "user", "content": prompt.text}]
    if server.kind in EXTENDED:
        body["logprobs"] = True if server.api == "chat" else 1
    grammar = request.grammar
    if server.kind == "vllm":
        body |= {"top_k": settings.top_k or -1, "repetition_penalty": settings.repetition_penalty}
        if grammar is not None:
            body["structured_outputs"] = {"regex": as_regex(grammar)}
    elif server.kind == "llama.cpp":
        body |= {"top_k": settings.top_k or 0, "repeat_penalty": settings.repetition_penalty}
        body["repeat_last_n"] = _LLAMA_CPP_WINDOW
        if grammar is not None:
            body["grammar"] = as_gbnf(grammar)
    return body


def unsent(settings: GenerationSettings) -> list[str]:
    """Return the names of the settings for which this kind of server has no parameter."""
    assert settings.server is not None
    if settings.server.kind in EXTENDED:
        return []
    changed = {
        "top_k": settings.top_k is not None,
        "repetition_penalty": settings.repetition_penalty != 1,
        "grammar": settings.grammar,
    }
    return [name for name, matters in changed.items() if matters]


def read_answer(raw: Any, api: Api, max_tokens: int) -> tuple[Draft, Usage | None]:
    """Parse one answer's JSON; return the draft, and the server's token counts if it sends them.

    The draft is the whole answer; where that is empty, it is the model's reasoning. Raises
    UnusableAnswerError for an answer of unexpected shape, or far longer than `max_tokens`.
    """
    usage = _usage(raw.get("usage")) if isinstance(raw, dict) else None
    if not isinstance(raw, dict) or not isinstance(raw.get("choices"), list) or not raw["choices"]:
        raise UnusableAnswerError(f"no choices in {_short(raw)}", usage)
    choice = raw["choices"][0]
    try:
        text = choice["message"]["content"] if api == "chat" else choice["text"]
        if api == "chat" and not text:  # a refusal, or reasoning that used up the tokens
            thought = choice["message"].get("reasoning_content")
            text = f"<think>{thought}" if thought else ""
        pieces, logprobs = _token_logprobs(choice.get("logprobs"))
    except (AttributeError, ArithmeticError, LookupError, TypeError, ValueError) as error:
        problem = f"an answer of unexpected shape ({_short(error)})"
        raise UnusableAnswerError(problem, usage) from error
    if not isinstance(text, str):
        raise UnusableAnswerError(f"expected a text, got {_short(text)}", usage)
    if len(text) > _CHARS + _CHARS_PER_TOKEN * max_tokens:
        problem = f"{len(text)} characters where {max_tokens} tokens were asked for"
        raise UnusableAnswerError(problem, usage)
    finish: Finish = "length" if choice.get("finish_reason") == "length" else "stop"
    tokens = usage.completion if usage is not None else len(logprobs)
    lines = text.split("\n")
    means = line_logprobs(pieces, logprobs, len(lines))
    return Draft(text, finish, tokens, tuple(means)), usage


def _token_logprobs(found: Any) -> tuple[list[str], list[float]]:
    """Return the tokens' texts and log-probabilities, from either endpoint's format."""
    pairs = []
    if found and found.get("content") is not None:
        pairs = [(entry["token"], entry["logprob"]) for entry in found["content"]]
    elif found and found.get("tokens") is not None:
        pairs = list(zip(found["tokens"], found["token_logprobs"], strict=True))
    # an impossible token has null or -inf; like vLLM, write a finite number, which JSON can hold
    numbers = [-math.inf if p is None else float(p) for _, p in pairs]
    return [str(text) for text, _ in pairs], [p if math.isfinite(p) else -9999.0 for p in numbers]


def _usage(found: Any) -> Usage | None:
    try:
        prompt, completion = int(found["prompt_tokens"]), int(found["completion_tokens"])
    except (KeyError, ArithmeticError, TypeError, ValueError):
        return None
    plausible = all(0 <= count <= _MOST_TOKENS for count in (prompt, completion))
    return Usage(prompt, completion, answers=1) if plausible else None


def _short(value: object) -> str:
    return reprlib.repr(value)[:120]
