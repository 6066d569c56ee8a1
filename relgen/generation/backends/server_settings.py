"""Settings of a server that speaks OpenAI's protocol."""

# ruff: noqa: RUF009 - `described` is `dataclasses.field` with a text; it holds no state

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from relgen.common import InputError, check_fields, described

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
    """The settings of one server. Each field's metadata holds its explanation (`help`).

    Raises:
        InputError: a value is of the wrong type, out of range, or contradicts another.
    """

    base_url: str = described("http://localhost:8000/v1", "address, up to and with /v1")
    kind: ServerKind = described(
        "other",
        "vllm and llama.cpp are sent the grammar, top_k and the repetition penalty, each in its "
        "own form; openai and other are not, and the grammar is only checked afterwards",
    )
    api: Api = described(
        "chat",
        "chat: the server applies the model's chat template. completions: relgen does, exactly as "
        "in tuning (see `tokenizer`)",
    )
    tokenizer: str | None = described(
        None, "completions: embedded name, local folder or Hub id of the model's tokeniser"
    )
    system_role: bool = described(
        True, "chat: give the Task Description as the system's turn; off, in the user's"
    )
    api_key_variable: str = described(
        "OPENAI_API_KEY", "environment variable that holds the key; without it none is sent"
    )
    concurrency: int = described(16, "requests in flight at the same time, at most")
    timeout: float = described(120.0, "seconds until an answer must be complete")
    retries: int = described(
        6, "further tries of a request that failed, with growing pauses (or as long as it says)"
    )
    price_prompt: float = described(0.0, "of a million tokens read, for the account")
    price_completion: float = described(0.0, "of a million tokens written")
    cost_budget: float | None = described(None, "stop once the run has cost this much")
    total_token_budget: int | None = described(
        None, "stop once so many tokens were read and written together"
    )

    def __post_init__(self) -> None:
        check_fields(self, "server.")
        self._check_address()
        for name in ("concurrency", "timeout", "total_token_budget"):
            value = getattr(self, name)
            if value is not None and value < (1 if name != "timeout" else 0.001):
                raise InputError("must be positive", field=f"server.{name}", value=value)
        for name in ("retries", "price_prompt", "price_completion", "cost_budget"):
            value = getattr(self, name)
            if value is not None and value < 0:
                raise InputError("must not be negative", field=f"server.{name}", value=value)
        if self.cost_budget is not None and self.price_prompt + self.price_completion == 0:
            raise InputError(
                "needs prices",
                field="server.cost_budget",
                value=self.cost_budget,
                remedy="set price_prompt and price_completion, for a million tokens each",
            )

    def identity(self) -> dict[str, Any]:
        """Return the settings that the drafts depend on."""
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
