"""Find a local model's context window, and refuse prompts that exceed it.

Beyond the positions that it was trained on, a model writes noise. A server checks this itself.
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


def check_prompt(prompt: int, window: int | None, settings: GenerationSettings) -> None:
    """Raise InputError if a prompt leaves no room for one more sample.

    A longer answer (AAO) may reach the end of the window: its unfinished line is then rejected.
    """
    remedy = (
        f"{_REMEDY[settings.mode]}, or lower `max_new_tokens` ({settings.max_new_tokens}); this "
        "starts a new generation, and the samples of this one stay in its journal"
    )
    check_fits(prompt, settings.max_new_tokens, window, model=settings.model, remedy=remedy)
