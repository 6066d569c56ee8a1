"""From settings to a backend: the model with its adapter, the tokeniser, and what ends a draft."""

from __future__ import annotations

from typing import Any

import torch
from transformers import PreTrainedTokenizerBase
from transformers.utils import logging as transformers_logging

from relgen.errors import InputError
from relgen.generation.settings import GenerationSettings
from relgen.generation.transformers_backend import TransformersBackend
from relgen.language_model import load_adapter, load_language_model
from relgen.prompts import encode


def load_backend(
    settings: GenerationSettings, tokenizer: PreTrainedTokenizerBase, terminator: str
) -> TransformersBackend:
    """Loads the model for decoding.

    The adapter of an unquantised model is merged into its weights: each forward pass then costs
    what the base alone costs.

    Args:
        settings: name the model, the adapter and the device.
        tokenizer: the model's.
        terminator: ends an answer (`PromptFormat.terminator`).

    Raises:
        InputError: the model or the adapter cannot be used.
    """
    transformers_logging.disable_progress_bar()  # ours is the one to watch
    device = _device(settings.device)
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
    stops = stop_ids(tokenizer, terminator, lines=settings.answer_samples)
    return TransformersBackend(model, tokenizer, settings, stops)


def _device(name: str | None) -> torch.device:
    """The device of this name, by default a GPU where there is one.

    Raises:
        InputError: torch knows no such device, or it is not here.
    """
    try:
        device = torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise InputError(
            f"this device cannot be used: {str(error).splitlines()[0]}",
            field="device",
            value=name,
            remedy="use cpu, or leave it out",
        ) from error
    return device


def stop_ids(tokenizer: PreTrainedTokenizerBase, terminator: str, *, lines: int) -> list[int]:
    """The tokens that end a draft: the terminator's first, and the end of sequence.

    A terminator that is a line break ends no answer of several lines. Tokenisers of the
    SentencePiece kind put a space of their own before a line break: it is passed over.
    """
    stops = set() if tokenizer.eos_token_id is None else {int(tokenizer.eos_token_id)}
    if lines == 1 or "\n" not in terminator:
        ids = encode(tokenizer, terminator)
        own = [token for token in ids if str(tokenizer.decode([token])).strip(" ")]
        stops.add((own or ids)[0])
    return sorted(stops)
