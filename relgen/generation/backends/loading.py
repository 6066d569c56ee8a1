"""From settings to a backend: the model with its adapter, the tokeniser, and what ends a draft."""

from __future__ import annotations

from typing import Any

from transformers import PreTrainedTokenizerBase
from transformers.utils import logging as transformers_logging

from relgen.generation.backends.transformers import TransformersBackend
from relgen.generation.settings import GenerationSettings
from relgen.kernels import accelerate
from relgen.models import find_device, load_adapter, load_language_model
from relgen.prompting import stop_ids


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
    accelerate(model, for_="generation")
    stops = stop_ids(tokenizer, terminator, lines=settings.answer_samples)
    return TransformersBackend(model, tokenizer, settings, stops)
