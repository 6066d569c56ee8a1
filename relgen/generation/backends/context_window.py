"""How many tokens a local model can tell the places of, and who would go beyond them.

Past its window a model has met no position in training: it goes on, and what it writes is noise.
A server refuses such requests by itself.
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
    """The positions that a model knows; None where its configuration does not say.

    Args:
        config: a `PretrainedConfig`.
    """
    text = config.get_text_config()
    window: int | None = getattr(text, "max_position_embeddings", None)
    scaling = getattr(text, "rope_parameters", None) or {}
    # models whose window was stretched afterwards may still state the first one
    before, factor = scaling.get("original_max_position_embeddings"), scaling.get("factor")
    if window is None or not factor:
        return window
    # a stretched window without the length before it: which of the two is stated is not known
    return max(window, int(before * factor)) if before else None


def check_fits(prompt: int, new: int, window: int | None, *, model: str, remedy: str) -> None:
    """Refuses a prompt that leaves no room for its answer.

    Args:
        prompt: its tokens.
        new: tokens that may be written.
        window: of the model; None refuses nothing.
        model: its name, for the message.
        remedy: what makes the prompt shorter.

    Raises:
        InputError: they do not fit.
    """
    if window is not None and prompt + new > window:
        raise InputError(
            f"a prompt of {prompt} tokens and an answer of up to {new} go beyond the {window} "
            "positions that this model knows",
            field="model",
            value=model,
            remedy=remedy,
        )


def check_prompt(prompt: int, window: int | None, settings: GenerationSettings) -> None:
    """The same for a prompt of a generation, of which one more sample is wanted at least.

    An answer of many lines may take what the window holds: it ends there, and the line that it
    breaks off in is rejected.

    Raises:
        InputError: one sample more does not fit.
    """
    remedy = (
        f"{_REMEDY[settings.mode]}, or lower `max_new_tokens` ({settings.max_new_tokens}): that is "
        "a new generation, while what this one wrote stays in its journal"
    )
    check_fits(prompt, settings.max_new_tokens, window, model=settings.model, remedy=remedy)
