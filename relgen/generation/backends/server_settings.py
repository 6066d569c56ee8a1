"""Define the settings of a server with an OpenAI-compatible API."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from relgen.common import (
    InputError,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
)

if TYPE_CHECKING:
    from relgen.generation.files.journal import Usage

ServerKind = Literal["other", "openai", "vllm", "llama.cpp"]
Api = Literal["chat", "completions"]
_IRRELEVANT = (
    *("base_url", "api_key_variable", "concurrency", "timeout", "retries"),
    *("price_prompt", "price_completion", "cost_budget", "total_token_budget"),
)


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Settings of one server.

    Raises:
        InputError: the address is invalid, or two values contradict each other.
    """

    base_url: str = "http://localhost:8000/v1"
    """Address of the server, including /v1."""
    kind: ServerKind = "other"
    """Kind of server: vllm and llama.cpp receive the grammar, top_k and the repetition penalty;
    for openai and other, the grammar is only checked afterwards.
    """
    api: Api = "chat"
    """Let the server apply the chat template (chat), or apply it as in tuning (completions; see
    `tokenizer`).
    """
    tokenizer: str | None = None
    """Embedded name, local folder or Hub id of the model's tokeniser, for completions."""
    system_role: bool = True
    """Send the Task Description as the system message (chat); otherwise in the user message."""
    api_key_variable: str = "OPENAI_API_KEY"
    """Environment variable with the API key; no key is sent if it is unset."""
    concurrency: PositiveInt = 16
    """Maximum number of concurrent requests."""
    timeout: PositiveFloat = 120.0
    """Maximum number of seconds for an answer."""
    retries: NonNegativeInt = 6
    """Retries of a failed request, with exponential back-off or the server's Retry-After."""
    price_prompt: NonNegativeFloat = 0.0
    """Price of a million prompt tokens."""
    price_completion: NonNegativeFloat = 0.0
    """Price of a million generated tokens."""
    cost_budget: NonNegativeFloat | None = None
    """Stop the run once it costs this much."""
    total_token_budget: PositiveInt | None = None
    """Stop the run after this many prompt and generated tokens."""

    def __post_init__(self) -> None:
        self._check_address()
        if self.cost_budget is not None and self.price_prompt + self.price_completion == 0:
            raise InputError(
                "needs prices",
                field="server.cost_budget",
                value=self.cost_budget,
                remedy="set price_prompt and price_completion, for a million tokens each",
            )

    def identity(self) -> dict[str, Any]:
        """Return the settings that influence the drafts."""
        values = dataclasses.asdict(self)
        return {name: value for name, value in values.items() if name not in _IRRELEVANT}

    def account(self, total: Usage) -> dict[str, Any]:
        """Return the tokens and the cost of a run, for its summary."""
        return {
            "answers": total.answers,
            "unusable_answers": total.unusable,
            "prompt_tokens": total.prompt,
            "completion_tokens": total.completion,
            "cost": round(total.cost(self.price_prompt, self.price_completion), 6),
        }

    def _check_address(self) -> None:
        parts = urlsplit(self.base_url)
        if parts.username is not None or parts.password is not None:
            raise InputError(
                "contains a user name or a password, which would be written to files",
                field="server.base_url",
                remedy=f"put the key into the environment variable {self.api_key_variable}",
            )
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise InputError(
                "is not a server's address",
                field="server.base_url",
                value=self.base_url,
                remedy="such as http://localhost:8000/v1",
            )
