"""Requests drafts from a server with an OpenAI-compatible API: vLLM, llama.cpp, or a hosted one.

The `openai` package sends the requests. A request is repeated after 408, 409, 429, 5xx, a lost
connection or an unusable answer, after the server's `Retry-After` or with exponential back-off and
jitter. Each answer is recorded as it arrives. Time and size of an answer are bounded.

The API key is read from the environment and appears in no setting, file or message.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
import time
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import Any

import httpx2
import openai

from relgen.common import InputError, counted, decode_json, statement
from relgen.generation.backends.api_key import read_key, repeats_key
from relgen.generation.backends.base import Draft, DraftRequest
from relgen.generation.backends.http_client import bounded_client
from relgen.generation.backends.server_protocol import (
    Body,
    UnusableAnswerError,
    read_answer,
    request_body,
)
from relgen.generation.files.journal import Journal, Usage
from relgen.generation.settings import GenerationSettings
from relgen.prompting import Prompt

_ANSWER_BYTES, _BYTES_PER_TOKEN = 2**20, 2**10
"""Far more than an answer takes with its tokens' log-probabilities."""
_NO_KEY = "none"  # the client requires a key; servers without authentication ignore it
_LONGEST_PAUSE = 8.0
_LONGEST_WAIT = 120.0  # that a server may ask for
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
        self._key = read_key(self._server.api_key_variable)
        if self._server.kind == "openai" and not self._key:
            raise InputError(
                "this server needs a key",
                field="server.base_url",
                value=self._server.base_url,
                remedy=f"set the environment variable {self._server.api_key_variable}",
            )
        self._runner = asyncio.Runner()
        tokens = settings.max_new_tokens * settings.answer_samples
        self._client = openai.AsyncOpenAI(
            api_key=self._key or _NO_KEY,
            base_url=self._server.base_url,
            max_retries=0,
            http_client=bounded_client(
                self._server.timeout,
                _ANSWER_BYTES + tokens * _BYTES_PER_TOKEN,
                self._server.concurrency,
            ),
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
                unusable = (
                    f" and {counted(total.unusable, 'unusable one')}" if total.unusable else ""
                )
                raise InputError(
                    f"used up after {counted(total.answers, 'answer')}{unusable}, {total.prompt} "
                    f"tokens read and {total.completion} written",
                    field=f"server.{name}",
                    value=bound,
                    remedy="all answers are kept: run the same command again with a larger one",
                )

    async def _ask(self, request: DraftRequest) -> Draft:
        """Send one request until it gets a usable answer or all retries have failed."""
        prompt = self._prompts[request.chain]
        body = request_body(self._settings, prompt, request)
        for attempt in range(self._server.retries + 1):
            self._check_budget()
            try:
                raw = await self._post(body)
                draft, usage = read_answer(raw, self._server.api, request.max_tokens)
                if repeats_key(draft.text, self._key):
                    raise UnusableAnswerError("it repeats the API key", usage)
            except UnusableAnswerError as error:
                failure = self._failure(f"its answers are unusable: {error}")
                self._journal.add(usage=error.usage)
                pause = None
            except _FailedRequestError as error:
                failure, pause = error.failure, error.pause
            else:
                if usage is None and self._has_budget:
                    problem = "it does not report how many tokens an answer took"
                    raise self._failure(problem, "usage")
                usage = usage or Usage(completion=draft.tokens, answers=1)
                self._journal.add([(request, prompt, draft)], usage=usage)
                return draft
            if attempt < self._server.retries:
                await asyncio.sleep(_back_off(attempt) if pause is None else pause)
        raise failure

    async def _post(self, body: Body) -> Any:
        """Return the decoded answer.

        Raises:
            UnusableAnswerError: it is not JSON.
            _FailedRequestError: the request may be repeated.
            InputError: repeating it would not help.
        """
        path = "/chat/completions" if self._server.api == "chat" else "/completions"
        try:
            # bytes: `read_answer` checks the answer; not every server keeps to OpenAI's types
            return decode_json(await self._client.post(path, body=body, cast_to=bytes))
        except openai.APIStatusError as error:
            remedy = _REMEDIES.get(error.status_code, "")
            remedy = remedy.format(variable=self._server.api_key_variable)
            # many servers repeat a part of the key where they refuse it
            said = "" if error.status_code in (401, 403) else f": {error.message}"
            pause = retry_after(error.response.headers)
            if pause is not None and pause > _LONGEST_WAIT:
                said = f", and asks to wait for {pause:g} seconds{said}"
            failure = self._failure(f"it answered {error.status_code}{said}", remedy=remedy)
            if not _passes(error.status_code, error.response.headers, pause):
                raise failure from None
            raise _FailedRequestError(failure, pause) from None
        except openai.APITimeoutError:
            problem = f"no answer within {self._server.timeout:g} seconds"
            raise _FailedRequestError(self._failure(problem, "timeout")) from None
        except openai.APIConnectionError as error:
            problem = f"it cannot be reached: {error.__cause__ or error}"
            raise _FailedRequestError(self._failure(problem)) from None
        except InputError as error:
            raise UnusableAnswerError(str(error)) from error
        except Exception as error:  # libraries raise many kinds for what a server may say
            cause = error
            while isinstance(cause, ExceptionGroup):
                cause = cause.exceptions[0]
            raise self._failure(f"{type(cause).__name__}: {cause}") from None

    def _failure(self, problem: str, field: str = "base_url", remedy: str = "") -> InputError:
        answers = statement(self._journal.usage.answers, "answer", "are")
        kept = f"{answers} kept: run the same command again"
        if repeats_key(problem, self._key, part=6):
            problem = f"{problem.split(':')[0]} (its message, which repeats the key, is left out)"
            if repeats_key(problem, self._key, part=6):
                problem = "its message, which repeats the key, is left out"
        return InputError(
            f"the server failed: {' '.join(problem.split())[:300]}",
            field=f"server.{field}",
            value=self._server.base_url,
            remedy=f"{remedy} {kept}".strip(),
        )


class _FailedRequestError(Exception):
    """A request that may be repeated, after `pause` seconds if the server has named them."""

    def __init__(self, failure: InputError, pause: float | None = None) -> None:
        super().__init__(str(failure))
        self.failure = failure
        self.pause = pause


def retry_after(headers: httpx2.Headers) -> float | None:
    """Return the seconds for which a server asks to wait, or None."""
    for name, per_second in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        value, seconds = headers.get(name, ""), math.nan
        with contextlib.suppress(ValueError):
            seconds = float(value) / per_second
        if value and math.isnan(seconds):
            with contextlib.suppress(TypeError, ValueError, OverflowError):
                seconds = parsedate_to_datetime(value).timestamp() - time.time()
        if seconds > 0:
            return seconds
    return None


def _passes(status: int, headers: httpx2.Headers, pause: float | None) -> bool:
    """Return whether a failure may pass, so that repeating the request helps."""
    if pause is not None and pause > _LONGEST_WAIT:
        return False
    said = headers.get("x-should-retry")
    if said in ("true", "false"):
        return said == "true"
    return status in (408, 409, 429) or status >= 500


def _back_off(attempt: int) -> float:
    return min(0.5 * 2.0 ** min(attempt, 9), _LONGEST_PAUSE) * (1 - 0.25 * random.random())
