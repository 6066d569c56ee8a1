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
_MANNERS = (
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
    """Address of the server, up to and with /v1."""
    kind: ServerKind = "other"
    """Engine behind it: vllm and llama.cpp are sent the grammar, top_k and the repetition penalty,
    each in its own form; openai and other are not, and the grammar is only checked afterwards.
    """
    api: Api = "chat"
    """Who applies the chat template: the server (chat), or relgen exactly as in tuning
    (completions; see `tokenizer`).
    """
    tokenizer: str | None = None
    """Embedded name, local folder or Hub id of the model's tokeniser, for completions."""
    system_role: bool = True
    """Give the Task Description as the system's turn, for chat; else in the user's."""
    api_key_variable: str = "OPENAI_API_KEY"
    """Environment variable that holds the key; without it none is sent."""
    concurrency: PositiveInt = 16
    """Requests at the same time, at most."""
    timeout: PositiveFloat = 120.0
    """Seconds until an answer must be complete."""
    retries: NonNegativeInt = 6
    """Further tries of a request that failed, after growing pauses or the one that it asks for."""
    price_prompt: NonNegativeFloat = 0.0
    """Price of a million tokens read."""
    price_completion: NonNegativeFloat = 0.0
    """Price of a million tokens written."""
    cost_budget: NonNegativeFloat | None = None
    """Cost of a run at which it stops."""
    total_token_budget: PositiveInt | None = None
    """Tokens read and written together at which the run stops."""

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
        return {name: value for name, value in values.items() if name not in _MANNERS}

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
                "holds a user name or a password, which would be written to files",
                field="server.base_url",
                remedy=f"put the key into the environment variable {self.api_key_variable}",
            )
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise InputError(
                "is not the address of a server",
                field="server.base_url",
                value=self.base_url,
                remedy="such as http://localhost:8000/v1",
            )
