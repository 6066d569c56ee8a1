"""What each kind of server calls things: the body of a request for one draft.

OpenAI's protocol has temperature and top_p. Engines add parameters of their own, and refuse or
ignore those of others: what a kind does not know is not sent to it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from relgen.generation.backends.base import DraftRequest, seed_of
from relgen.generation.grammar.servers import as_gbnf, as_regex
from relgen.generation.grammar.spec import GrammarSpec
from relgen.generation.settings import GenerationSettings
from relgen.prompting import CHAT, Prompt

Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Dialect:
    """A kind of server.

    Args:
        max_tokens: its name for the bound on an answer's tokens.
        sampling: from `top_k` and the repetition penalty to parameters; None where it has none.
        grammar: from a grammar to parameters; None where it has no such thing.
        logprobs: it gives log-probabilities of the tokens.
    """

    max_tokens: str = "max_tokens"
    sampling: Callable[[int | None, float], Body] | None = None
    grammar: Callable[[GrammarSpec], Body] | None = None
    logprobs: bool = False


# the penalty looks at the whole prompt, as everywhere else; the server once took -1 for that, and
# now refuses it
_LLAMA_CPP_WINDOW = 1 << 14


def _vllm_sampling(top_k: int | None, repetition_penalty: float) -> Body:
    return {"top_k": top_k or -1, "repetition_penalty": repetition_penalty}


def _llama_cpp_sampling(top_k: int | None, repetition_penalty: float) -> Body:
    window = {"repeat_last_n": _LLAMA_CPP_WINDOW}
    return {"top_k": top_k or 0, "repeat_penalty": repetition_penalty, **window}


def _transformers_sampling(top_k: int | None, repetition_penalty: float) -> Body:
    config = {"top_k": top_k or 0, "repetition_penalty": repetition_penalty}
    return {"generation_config": json.dumps(config)}


DIALECTS: Mapping[str, Dialect] = {
    "other": Dialect(),
    "openai": Dialect(max_tokens="max_completion_tokens"),
    "vllm": Dialect(
        sampling=_vllm_sampling,
        grammar=lambda spec: {"structured_outputs": {"regex": as_regex(spec)}},
        logprobs=True,
    ),
    "sglang": Dialect(
        sampling=_vllm_sampling, grammar=lambda spec: {"regex": as_regex(spec)}, logprobs=True
    ),
    "llama.cpp": Dialect(
        sampling=_llama_cpp_sampling,
        grammar=lambda spec: {"grammar": as_gbnf(spec)},
        logprobs=True,
    ),
    "tgi": Dialect(
        grammar=lambda spec: {"response_format": {"type": "regex", "value": as_regex(spec)}},
        logprobs=True,
    ),
    "ollama": Dialect(),
    "transformers": Dialect(sampling=_transformers_sampling),
}


def request_body(settings: GenerationSettings, prompt: Prompt, request: DraftRequest) -> Body:
    """The JSON object that asks for one draft.

    Args:
        settings: with `server`.
        prompt: for `chat` in the format `prompts.CHAT`, else with the model's chat template.
        request: what is asked for.
    """
    server = settings.server
    assert server is not None
    dialect = DIALECTS[server.kind]
    # the old endpoint of hosted servers never learnt the new name
    bound = dialect.max_tokens if server.api == "chat" else "max_tokens"
    body: Body = {
        "model": settings.model,
        "temperature": settings.temperature,
        "top_p": settings.top_p,
        "seed": seed_of(request.key),
        bound: request.max_tokens,
    }
    if server.api == "chat":
        body["messages"] = _messages(prompt, server.system_role)
    else:
        body["prompt"] = prompt.text
    if dialect.sampling is not None:
        body |= dialect.sampling(settings.top_k, settings.repetition_penalty)
    if dialect.grammar is not None and request.grammar is not None:
        body |= dialect.grammar(request.grammar)
    if dialect.logprobs:
        body["logprobs"] = True if server.api == "chat" else 1
    return body


def unsent(settings: GenerationSettings) -> list[str]:
    """Settings that the server's kind has no parameter for, and that would change the drafts."""
    assert settings.server is not None
    dialect = DIALECTS[settings.server.kind]
    names = []
    if dialect.sampling is None:
        names += ["top_k"] if settings.top_k is not None else []
        names += ["repetition_penalty"] if settings.repetition_penalty != 1 else []
    if dialect.grammar is None and settings.grammar:
        names.append("grammar")
    return names


def _messages(prompt: Prompt, system_role: bool) -> list[dict[str, str]]:
    if not system_role:
        return [{"role": "user", "content": prompt.text}]
    # the Task Description holds no empty line
    description, rest = prompt.text.split(CHAT.middle, 1)
    return [{"role": "system", "content": description}, {"role": "user", "content": rest}]
