"""Who decodes: from settings to the prompts' format and a backend that is opened when needed."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

from relgen.errors import InputError
from relgen.generation.answers import Answers
from relgen.generation.backends import Backend
from relgen.generation.settings import GenerationSettings
from relgen.language_model import load_tokenizer
from relgen.prompts import CHAT, PromptFormat, prompt_format, server_format


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
        from relgen.generation.loading import load_backend

        return load_backend(settings, tokenizer, found.terminator)

    return Engine(found, load)


def _server(settings: GenerationSettings, answers: Answers) -> Engine:
    try:
        from relgen.generation.openai_backend import OpenAIBackend
    except ModuleNotFoundError as error:
        raise InputError(
            f"needs the package {error.name}",
            field="backend",
            value=settings.backend,
            remedy="pip install 'relgen-re[openai]'",
        ) from error
    from relgen.generation.dialects import unsent

    server = settings.server
    assert server is not None
    if names := unsent(settings):
        without = ", ".join(names)
        print(f"warning: a server of kind {server.kind} takes no {without}", file=sys.stderr)
    form = CHAT
    if server.api == "completions":
        form = server_format(load_tokenizer(server.tokenizer or settings.model))
    return Engine(form, lambda: OpenAIBackend(settings, answers))
