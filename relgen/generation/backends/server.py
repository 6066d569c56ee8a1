"""Requests drafts from a server with an OpenAI-compatible API: vLLM, llama.cpp, or a hosted one.

The `openai` package sends the requests, and retries after 408, 409, 429, 5xx and lost connections,
with exponential back-off, jitter and `Retry-After`. In addition, unusable answers are retried here,
and each answer is recorded as it arrives.

The API key is read from the environment and appears in no setting, file or message.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import httpx2
import openai

from relgen.common import InputError
from relgen.generation.backends.base import Draft, DraftRequest
from relgen.generation.backends.server_protocol import (
    Body,
    UnusableAnswerError,
    read_answer,
    request_body,
)
from relgen.generation.files.journal import Journal, Usage
from relgen.generation.settings import GenerationSettings
from relgen.prompting import Prompt

MAX_ANSWER_BYTES = 16 * 2**20
"""Far more than a thousand tokens with their log-probabilities."""
_NO_KEY = "none"  # the client requires a key; servers without authentication ignore it
_LONGEST_PAUSE = 8.0
_REMEDIES = {
    **dict.fromkeys([401, 403], "is the key in {variable} right?"),
    **dict.fromkeys([400, 422], "do model, kind and api fit this server?"),
    404: "are base_url (with /v1) and model right?",
}


class ServerBackend:
    """A server that receives many requests concurrently; see `ServerSettings`."""

    def __init__(self, settings: GenerationSettings, journal: Journal) -> None:
        assert settings.server is not None
        self._settings = settings
        self._server = settings.server
        self._journal = journal
        self._prompts: dict[int, Prompt] = {}
        budgets = self._server.cost_budget, self._server.total_token_budget, settings.token_budget
        self._has_budget = any(budget is not None for budget in budgets)
        key = os.environ.get(self._server.api_key_variable)
        if self._server.kind == "openai" and not key:
            raise InputError(
                "this server needs a key",
                field="server.base_url",
                value=self._server.base_url,
                remedy=f"set the environment variable {self._server.api_key_variable}",
            )
        self._key = key or _NO_KEY
        self._runner = asyncio.Runner()
        self._client = openai.AsyncOpenAI(
            api_key=self._key,
            base_url=self._server.base_url,
            max_retries=self._server.retries,
            http_client=bounded_client(self._server.timeout, self._server.concurrency),
        )

    def prefill(self, prompts: Mapping[int, Prompt]) -> None:
        """Store the prompts; a server caches common prefixes itself."""
        self._prompts.update(prompts)

    def decode(self, requests: Sequence[DraftRequest]) -> list[Draft]:
        """Request the drafts, and record each answer as it arrives.

        Raises InputError if the budget is used up, the server refuses, or all retries have failed.
        """
        return self._runner.run(self._ask_all(requests))

    def reset(self) -> None:
        self._prompts.clear()

    def close(self) -> None:
        self._runner.run(self._client.close())
        self._runner.close()

    async def _ask_all(self, requests: Sequence[DraftRequest]) -> list[Draft]:
        """Send the requests until one fails for good; those in flight (maybe billed) finish."""
        limit = asyncio.Semaphore(self._server.concurrency)
        failures: list[InputError] = []

        async def ask(request: DraftRequest) -> Draft | None:
            async with limit:
                try:
                    return None if failures else await self._ask(request)
                except InputError as error:
                    failures.append(error)
                    return None

        drafts = await asyncio.gather(*map(ask, requests))
        if failures:
            raise failures[0]
        return [draft for draft in drafts if draft is not None]

    def _check_budget(self) -> None:
        server, total = self._server, self._journal.usage
        spent = total.cost(server.price_prompt, server.price_completion)
        tokens = total.prompt + total.completion
        for name, bound, value in (
            ("cost_budget", server.cost_budget, spent),
            ("total_token_budget", server.total_token_budget, tokens),
        ):
            if bound is not None and value >= bound:
                unusable = f" and {total.unusable} unusable ones" if total.unusable else ""
                raise InputError(
                    f"used up after {total.answers} answers{unusable}, {total.prompt} tokens read "
                    f"and {total.completion} written",
                    field=f"server.{name}",
                    value=bound,
                    remedy="all answers are kept: run the same command again with a larger one",
                )

    async def _ask(self, request: DraftRequest) -> Draft:
        """Send one request until it gets a usable answer or all retries have failed."""
        prompt = self._prompts[request.chain]
        body = request_body(self._settings, prompt, request)
        for attempt in range(self._server.retries + 1):
            if attempt:
                pause = min(0.25 * 2.0**attempt, _LONGEST_PAUSE)
                await asyncio.sleep(pause * (1 - 0.25 * random.random()))
            self._check_budget()
            try:
                raw = await self._post(body)
                draft, usage = read_answer(raw, self._server.api, one_line=request.one_line)
            except UnusableAnswerError as error:
                problem = str(error)
                self._journal.add(usage=error.usage)
                continue
            if usage is None and self._has_budget:
                raise self._failure("it does not report how many tokens an answer took", "usage")
            usage = usage or Usage(completion=draft.tokens, answers=1)
            self._journal.add([(request, prompt, draft)], usage=usage)
            return draft
        raise self._failure(f"its answers are unusable: {problem}")

    async def _post(self, body: Body) -> Any:
        """Return the decoded answer; raise UnusableAnswerError if it is not JSON."""
        path = "/chat/completions" if self._server.api == "chat" else "/completions"
        try:
            # bytes: `read_answer` checks the answer; not every server keeps to OpenAI's types
            return json.loads(await self._client.post(path, body=body, cast_to=bytes))
        except openai.APIStatusError as error:
            problem = f"it answered {error.status_code}: {error.message}"
            remedy = _REMEDIES.get(error.status_code, "")
            remedy = remedy.format(variable=self._server.api_key_variable)
            raise self._failure(problem, remedy=remedy) from None
        except openai.APITimeoutError:
            problem = f"no answer within {self._server.timeout:g} seconds"
            raise self._failure(problem, "timeout") from None
        except openai.APIConnectionError as error:
            raise self._failure(f"it cannot be reached: {error.__cause__ or error}") from None
        except ValueError as error:
            raise UnusableAnswerError(f"not JSON ({error})") from error

    def _failure(self, problem: str, field: str = "base_url", remedy: str = "") -> InputError:
        kept = f"{self._journal.usage.answers} answers are kept: run the same command again"
        plain = " ".join(problem.split())
        if self._key != _NO_KEY:  # some servers repeat the key in their messages
            plain = plain.replace(self._key, "***")
        return InputError(
            f"the server failed: {plain[:300]}",
            field=f"server.{field}",
            value=self._server.base_url,
            remedy=f"{remedy} {kept}".strip(),
        )


def bounded_client(timeout: float, connections: int) -> httpx2.AsyncClient:
    """Return an HTTP client that limits the time and the size of an answer.

    The read time-out of an HTTP client restarts with each chunk, so that a server which trickles
    data never exceeds it, and the size is not limited at all. Here, exceeding either limit becomes
    a read error, which the `openai` package treats as a lost connection and retries.
    """

    async def bound(response: httpx2.Response) -> None:
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        response.stream = _BoundedStream(response.stream, timeout)

    return openai.DefaultAsyncHttpxClient(
        timeout=httpx2.Timeout(timeout, pool=None),
        limits=httpx2.Limits(max_connections=connections, max_keepalive_connections=connections),
        event_hooks={"response": [bound]},
    )


class _BoundedStream(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream, timeout: float) -> None:
        self._stream = stream
        self._timeout = timeout

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size, deadline = 0, time.monotonic() + self._timeout
        async for piece in self._stream:
            size += len(piece)
            if size > MAX_ANSWER_BYTES:
                raise httpx2.ReadError(f"an answer of more than {MAX_ANSWER_BYTES >> 20} MiB")
            if time.monotonic() > deadline:
                raise httpx2.ReadTimeout(f"an answer of more than {self._timeout:g} seconds")
            yield piece

    async def aclose(self) -> None:
        await self._stream.aclose()
