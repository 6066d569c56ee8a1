"""Who decodes: from settings to the prompts' format and a backend that is opened when needed."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from relgen.common import InputError
from relgen.generation.backends.answers import Answers
from relgen.generation.backends.base import Backend
from relgen.generation.settings import GenerationSettings
from relgen.models import load_tokenizer
from relgen.prompting import CHAT, PromptFormat, prompt_format, server_format


@dataclass(frozen=True, slots=True)
class Engine:
    """What a generation needs of whoever decodes.

    Args:
        format: what stands around the prompts' modules.
        open: loads the model, or connects; called only when a draft is wanted.
    """

    format: PromptFormat
    open: Callable[[], Backend]


def find_engine(settings: GenerationSettings, answers: Answers | None) -> Engine:
    """The engine that the settings name.

    Args:
        settings: see there.
        answers: what a server has answered before; None for engines of this process.

    Raises:
        InputError: the model's tokeniser cannot be loaded, or a package is missing.
    """
    if settings.backend == "openai":
        assert answers is not None
        return _server(settings, answers)
    tokenizer = load_tokenizer(settings.model)
    found = prompt_format(tokenizer)

    def load() -> Backend:
        from relgen.generation.backends.loading import load_backend

        return load_backend(settings, tokenizer, found.terminator)

    return Engine(found, load)


def _server(settings: GenerationSettings, answers: Answers) -> Engine:
    backend: Any = _imported("relgen.generation.backends.openai", settings.backend).OpenAIBackend
    from relgen.generation.backends.dialects import unsent

    server = settings.server
    assert server is not None
    if names := unsent(settings):
        without = ", ".join(names)
        known = "; if yours does, name it by --server-kind" if server.kind == "other" else ""
        said = f"warning: a server of kind {server.kind} takes no {without}{known}"
        print(said, file=sys.stderr)
    form = CHAT
    if server.api == "completions":
        form = server_format(load_tokenizer(server.tokenizer or settings.model))
    return Engine(form, lambda: backend(settings, answers))


def _imported(module: str, extra: str) -> ModuleType:
    """A module that needs an extra. Raises InputError when it is not installed."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise InputError(
            f"needs the package {error.name}",
            field="backend",
            value=extra,
            remedy=f"pip install 'relgen-re[{extra}]'",
        ) from error
