"""Finds the engine that the settings name, and loads its model on demand."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from relgen.common import InputError, resolved
from relgen.generation.backends.base import Backend
from relgen.generation.backends.server_protocol import unsent
from relgen.generation.files.journal import Journal
from relgen.generation.settings import GenerationSettings
from relgen.models import (
    check_architecture,
    find_device,
    load_adapter,
    load_language_model,
    load_tokenizer,
)
from relgen.prompting import CHAT, PromptFormat, prompt_format, server_format, stop_ids

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from relgen.generation.backends.transformers import TransformersBackend


class Engine(NamedTuple):
    """A language model that is loaded, or a server that is connected to, when `open` is called.

    `tokenizer` is that of a model that is loaded.
    """

    format: PromptFormat
    open: Callable[[], Backend]
    tokenizer: PreTrainedTokenizerBase | None = None


def find_engine(settings: GenerationSettings, journal: Journal | None) -> Engine:
    """Return the engine that the settings name; the journal records a server's answers.

    Raises InputError if the tokeniser cannot be loaded, or a package is missing.
    """
    if (server := settings.server) is None:
        tokenizer = load_tokenizer(settings.model)
        found = prompt_format(tokenizer)
        load = partial(load_backend, settings, tokenizer, found.terminator)
        return Engine(found, load, tokenizer)
    assert journal is not None
    try:
        from relgen.generation.backends.server import ServerBackend
    except ModuleNotFoundError as error:
        raise InputError(
            f"needs the package {error.name}",
            field="backend",
            value=settings.backend,
            remedy="pip install 'relgen-re[openai]'",
        ) from error
    if names := unsent(settings):
        known = "; set --server-kind if yours has them" if server.kind == "other" else ""
        said = f"{', '.join(names)}: not sent to a server of kind {server.kind}{known}"
        print(f"warning: {said}", file=sys.stderr)
    if server.api == "chat":
        return Engine(CHAT, lambda: ServerBackend(settings, journal))
    form = server_format(load_tokenizer(server.tokenizer or settings.model))
    return Engine(form, lambda: ServerBackend(settings, journal))


def load_backend(
    settings: GenerationSettings, tokenizer: PreTrainedTokenizerBase, terminator: str
) -> TransformersBackend:
    """Load a local model for decoding; `terminator` ends an answer (`PromptFormat.terminator`).

    The adapter of an unquantised model is merged into its weights, so that it costs no time.
    """
    import torch
    from transformers.utils import logging as transformers_logging

    from relgen.generation.backends.draft_cache import decoding_difference, may_share
    from relgen.generation.backends.transformers import TransformersBackend
    from relgen.kernels import accelerate

    device = find_device(settings.device)
    shared = may_share(device, getattr(torch, resolved(settings.dtype)))
    difference = partial(decoding_difference, shared=shared)
    check_architecture(settings.model, "generation", difference)
    transformers_logging.disable_progress_bar()  # relgen shows its own bar
    model: Any = load_language_model(
        settings.model,
        dtype=settings.dtype,
        quantization=settings.quantization,
        device=device,
    )
    if settings.quantization is None:
        model = model.to(device)
    if settings.adapter is not None:
        model = load_adapter(model, settings.adapter)
        if settings.quantization is None:
            model = model.merge_and_unload()
    model.eval()
    accelerate(model, for_="generation", int8=settings.dtype == "int8")
    stops = stop_ids(tokenizer, terminator, lines=settings.answer_samples)
    return TransformersBackend(model, tokenizer, settings, stops)
