"""Finds a local model's context window, and refuses prompts that exceed it.

Beyond the positions that it was trained on, a model writes noise. A server checks this itself.
"""

from __future__ import annotations

from typing import Any

from relgen.common import InputError


def context_window(config: Any) -> int | None:
    """Return a `PretrainedConfig`'s number of positions; None if it is unknown."""
    text = config.get_text_config()
    window: int | None = getattr(text, "max_position_embeddings", None)
    scaling = getattr(text, "rope_parameters", None) or {}
    # models whose window was extended may still state the original one
    before, factor = scaling.get("original_max_position_embeddings"), scaling.get("factor")
    if window is None or not factor:
        return window
    # without the original length it is unknown which of the two is stated
    return max(window, int(before * factor)) if before else None


def check_fits(prompt: int, new: int, window: int | None, *, model: str, remedy: str) -> None:
    """Raise InputError if a prompt of `prompt` tokens leaves no room for `new` more.

    A `window` of None disables the check. `model` and `remedy` are for the message.
    """
    if window is not None and prompt + new > window:
        raise InputError(
            f"a prompt of {prompt} tokens and an answer of up to {new} exceed the {window} "
            "positions that this model supports",
            field="model",
            value=model,
            remedy=remedy,
        )
