"""From settings to a backend: the model with its adapter, the tokeniser, and what ends a draft."""

from __future__ import annotations

from typing import Any

from transformers import PreTrainedTokenizerBase
from transformers.utils import logging as transformers_logging

from relgen.adapters import load_adapter
from relgen.generation.settings import GenerationSettings
from relgen.generation.transformers_backend import TransformersBackend
from relgen.language_model import find_device, load_language_model
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
    device = find_device(settings.device)
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
