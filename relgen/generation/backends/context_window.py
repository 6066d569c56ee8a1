"""The context window of a local model, and the refusal of prompts that exceed it.

A model was trained on no position past its window: it would still write, but noise. A server
refuses such requests by itself.
"""

from __future__ import annotations

from typing import Any

from relgen.common import InputError
from relgen.generation.settings import GenerationSettings

_REMEDY = {
    "obo": "give more `chains`, each of which gets shorter, a `window`, or ask for fewer `samples`",
    "aao": "show fewer labelled samples (`shown`)",
}


def context_window(config: Any) -> int | None:
    """Return the number of positions that a model knows; None where its configuration is silent.

    Args:
        config: a `PretrainedConfig`.
    """
    text = config.get_text_config()
    window: int | None = getattr(text, "max_position_embeddings", None)
    scaling = getattr(text, "rope_parameters", None) or {}
    # models whose window was extended afterwards may still state the first one
    before, factor = scaling.get("original_max_position_embeddings"), scaling.get("factor")
    if window is None or not factor:
        return window
    # an extended window without the original length: it is unknown which of the two is stated
    return max(window, int(before * factor)) if before else None


def check_fits(prompt: int, new: int, window: int | None, *, model: str, remedy: str) -> None:
    """Refuse a prompt that leaves no room for its answer.

    Args:
        prompt: its tokens.
        new: tokens that may be written.
        window: of the model; None refuses nothing.
        model: its name, for the message.
        remedy: a way to make the prompt shorter, for the message.

    Raises:
        InputError: they do not fit.
    """
    if window is not None and prompt + new > window:
        raise InputError(
            f"a prompt of {prompt} tokens and an answer of up to {new} exceed the {window} "
            "positions that this model knows",
            field="model",
            value=model,
            remedy=remedy,
        )


def check_prompt(prompt: int, window: int | None, settings: GenerationSettings) -> None:
    """Refuse a prompt of a generation that leaves no room for one more sample.

    An answer of many lines may fill the window: it ends there, and its unfinished line is rejected.

    Raises:
        InputError: one sample more does not fit.
    """
    remedy = (
        f"{_REMEDY[settings.mode]}, or lower `max_new_tokens` ({settings.max_new_tokens}): that is "
        "a new generation, while what this one wrote stays in its journal"
    )
    check_fits(prompt, settings.max_new_tokens, window, model=settings.model, remedy=remedy)
