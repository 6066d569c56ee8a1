"""Exports of tuned models for other programs: transformers, vLLM, llama.cpp's converter."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

from transformers import AutoConfig

from relgen import __version__
from relgen.common import (
    EXPORT_FILE,
    DType,
    InputError,
    atomic_folder,
    check_export,
    content_hash,
    read_json,
    write_json,
)
from relgen.models.causal_lm import load_language_model, load_tokenizer, resolve_model
from relgen.models.lora import load_adapter
from relgen.models.names import find_adapter


def export_merged(
    adapter: str | Path,
    out: str | Path,
    *,
    model: str | None = None,
    dtype: DType | None = None,
    force: bool = False,
) -> Path:
    """Write the base model with the adapter merged into its weights, and its tokenizer.

    An adapter that was tuned on a quantised base is merged into the base before quantisation.

    `model` is the base, by default the one that the adapter names, and `dtype` that of the merged
    weights, by default the base's. `force` replaces an earlier export at `out`.

    Raises:
        InputError: no adapter, no such base or another one than the adapter's, or `out` exists.
    """
    adapter, out = Path(adapter), Path(out)
    check_export(out, force=force)
    peft_config = find_adapter(adapter)
    base = model or _base_of(peft_config)
    try:
        loaded = load_language_model(base, dtype=dtype or own_dtype(base), attention="sdpa")
    except InputError as error:
        if model is not None:
            raise
        problem = f"the base model that this adapter names cannot be loaded ({error.problem})"
        remedy = "give the base model with --model"
        raise InputError(problem, path=adapter, value=base, remedy=remedy) from error
    merged: Any = load_adapter(loaded, adapter).merge_and_unload()
    with atomic_folder(out, EXPORT_FILE) as temporary:
        merged.save_pretrained(temporary)
        load_tokenizer(base).save_pretrained(temporary)
        origin = {
            "base_model": base,
            "adapter": str(adapter),
            "adapter_hash": content_hash(adapter),
            "relgen_version": __version__,
        }
        write_json(temporary / EXPORT_FILE, origin)
    return out


def own_dtype(name: str) -> DType:
    """Return the dtype that a model's weights are saved in, float32 if it is not configured."""
    # errors in the name are reported by `load_language_model`
    try:
        saved = AutoConfig.from_pretrained(resolve_model(name), trust_remote_code=False).dtype
    except Exception:
        saved = None
    known = {f"torch.{dtype}": dtype for dtype in get_args(DType)}
    return known.get(str(saved), "float32")


def _base_of(peft_config: Path) -> str:
    """Return the base model that an adapter names."""
    if name := read_json(peft_config).get("base_model_name_or_path"):
        return str(name)
    raise InputError("names no base model", path=peft_config.parent, remedy="give it with --model")
