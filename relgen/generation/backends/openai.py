"""Drafts from a server that speaks OpenAI's protocol: vLLM, llama.cpp, SGLang, TGI, hosted ones.

The `openai` package sends the requests, and repeats them after 408, 409, 429, 5xx and lost
connections, with growing pauses, jitter, and `Retry-After`. Added here: a bound on an answer's
size and time, answers that cannot be used count as failures, and every answer is kept as it comes.

The key is read from the environment and stands in no setting, file or message.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import openai

from relgen.common import InputError, text_hash
from relgen.generation.backends.answers import Answers
from relgen.generation.backends.base import Draft, DraftRequest
from relgen.generation.backends.dialects import Body, request_body
from relgen.generation.backends.server_answers import UnusableAnswerError, read_answer
from relgen.generation.backends.server_transport import bounded_client
from relgen.generation.settings import GenerationSettings
from relgen.prompting import Prompt

_NO_KEY = "none"  # the client wants one; servers without keys do not look at it
_LONGEST_PAUSE = 8.0


class BudgetError(InputError):
    """The run has cost what it may."""


class OpenAIBackend:
    """A server, asked for many drafts at a time.

    Args:
        settings: with `server`.
        answers: what has been answered before, and the account; added to as answers come.

    Raises:
        InputError: the server wants a key and the environment has none.
    """

    def __init__(self, settings: GenerationSettings, answers: Answers) -> None:
        assert settings.server is not None
        self._settings = settings
        self._server = settings.server
        self._answers = answers
        self._prompts: dict[int, Prompt] = {}
        key = os.environ.get(self._server.api_key_variable)
        if self._server.kind == "openai" and not key:
            raise InputError(
                "this server wants a key",
                field="server.base_url",
                value=self._server.base_url,
                remedy=f"set the environment variable {self._server.api_key_variable}",
            )
        self._key = key or _NO_KEY
        self._runner = asyncio.Runner()
        self._client: openai.AsyncOpenAI | None = None

    def show(self, prompts: Mapping[int, Prompt]) -> None:
        """Remembers the prompts: a server keeps its own cache of what they have in common."""
        self._prompts.update(prompts)

    def draft(self, requests: Sequence[DraftRequest]) -> list[Draft]:
        """Asks for the drafts that are not answered yet.

        Raises:
            BudgetError: the run's tokens or costs have reached their bound.
            InputError: the server refuses, or has failed as often as it may. Answers that have
                come are kept.
        """
        hashes = [_prompt_hash(self._prompts[request.chain], request) for request in requests]
        pairs = list(zip(requests, hashes, strict=True))
        missing = deque(pair for pair in pairs if self._answers.find(pair[0].key, pair[1]) is None)
        if missing:
            self._runner.run(self._ask_all(missing))
        return [self._answers.get(request.key, known) for request, known in pairs]

    def forget(self) -> None:
        """Drops all chains."""
        self._prompts.clear()

    def close(self) -> None:
        """Closes the connections."""
        if self._client is not None:
            self._runner.run(self._client.close())
            self._client = None
        self._runner.close()

    async def _ask_all(self, missing: deque[tuple[DraftRequest, str]]) -> None:
        """Workers take requests until none is left, or one of them has failed for good.

        What is on its way then still arrives: it is paid for.
        """
        if self._client is None:
            self._client = openai.AsyncOpenAI(
                api_key=self._key,
                base_url=self._server.base_url,
                max_retries=self._server.retries,
                http_client=bounded_client(self._server.timeout, self._server.concurrency),
            )
        failures: list[InputError] = []

        async def work() -> None:
            while missing and not failures:
                request, prompt_hash = missing.popleft()
                try:
                    self._check_budget()
                    await self._ask(request, prompt_hash)
                except InputError as error:
                    failures.append(error)

        workers = min(self._server.concurrency, len(missing))
        await asyncio.gather(*(work() for _ in range(workers)))
        if failures:
            raise failures[0]

    def _check_budget(self) -> None:
        server, total = self._server, self._answers.total
        spent = total.cost(server.price_prompt, server.price_completion)
        tokens = total.prompt + total.completion
        for name, bound, value in (
            ("cost_budget", server.cost_budget, spent),
            ("total_token_budget", server.total_token_budget, tokens),
        ):
            if bound is not None and value >= bound:
                unusable = f" and {total.unusable} unusable ones" if total.unusable else ""
                raise BudgetError(
                    f"used up after {total.answers} answers{unusable}, {total.prompt} tokens read "
                    f"and {total.completion} written",
                    field=f"server.{name}",
                    value=bound,
                    remedy="all answers are kept: run the same command again with a larger one",
                )

    async def _ask(self, request: DraftRequest, prompt_hash: str) -> None:
        """One request, until it is answered usably or has failed as often as it may."""
        body = request_body(self._settings, self._prompts[request.chain], request)
        for attempt in range(self._server.retries + 1):
            try:
                raw = await self._post(body)
                answer = read_answer(raw, self._server.api, one_line=request.one_line)
            except UnusableAnswerError as error:
                self._answers.add_unusable(error.usage)
                if attempt == self._server.retries:
                    raise self._failed(f"its answers cannot be used: {error}") from error
                await asyncio.sleep(_pause(attempt))
                self._check_budget()
                continue
            if answer.usage is None and self._budgeted:
                raise self._failed("it does not say how many tokens an answer took", "usage")
            self._answers.add(request.key, prompt_hash, answer.draft, answer.counted)
            return

    @property
    def _budgeted(self) -> bool:
        budgets = (
            self._server.cost_budget,
            self._server.total_token_budget,
            self._settings.token_budget,
        )
        return any(budget is not None for budget in budgets)

    async def _post(self, body: Body) -> Any:
        """The decoded answer.

        Raises:
            UnusableAnswerError: it is no JSON.
            InputError: the server refuses, or cannot be reached, after all tries.
        """
        assert self._client is not None
        path = "/chat/completions" if self._server.api == "chat" else "/completions"
        try:
            # bytes: what a server calls an answer is checked here, not taken for OpenAI's types
            return json.loads(await self._client.post(path, body=body, cast_to=bytes))
        except openai.APIStatusError as error:
            raise self._refused(error) from None
        except openai.APITimeoutError:
            raise self._failed(
                f"no answer within {self._server.timeout:g} seconds", "timeout"
            ) from None
        except openai.APIConnectionError as error:
            raise self._failed(f"it cannot be reached: {error.__cause__ or error}") from None
        except ValueError as error:
            raise UnusableAnswerError(f"no JSON ({error})") from error

    def _refused(self, error: openai.APIStatusError) -> InputError:
        remedies = {
            401: f"is the key in {self._server.api_key_variable} right?",
            403: f"is the key in {self._server.api_key_variable} right?",
            404: "are base_url (with its /v1) and model right?",
            400: "do model, kind and api fit this server?",
            422: "do model, kind and api fit this server?",
        }
        problem = f"it answered {error.status_code}: {error.message}"
        return self._failed(problem, remedy=remedies.get(error.status_code))

    def _failed(
        self, problem: str, field: str = "base_url", remedy: str | None = None
    ) -> InputError:
        kept = f"{self._answers.total.answers} answers are kept: run the same command again"
        plain = " ".join(problem.split())
        if self._key != _NO_KEY:  # some servers repeat it
            plain = plain.replace(self._key, "***")
        return InputError(
            f"the server failed: {plain[:300]}",
            field=f"server.{field}",
            value=self._server.base_url,
            remedy=f"{remedy} {kept}" if remedy else kept,
        )


def _prompt_hash(prompt: Prompt, request: DraftRequest) -> str:
    """Identifies a request's content beside its key: the prompt, and how long the answer may be."""
    return text_hash(f"{prompt.text}\0{request.max_tokens}")[:16]


def _pause(attempt: int) -> float:
    """Seconds before the next try: doubled each time, less up to a quarter at random."""
    return min(0.5 * 2.0**attempt, _LONGEST_PAUSE) * (1 - 0.25 * random.random())
