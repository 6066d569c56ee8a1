"""Checks that a model's architecture computes the same in relgen's layouts as row by row.

relgen packs texts that share a prefix, gives positions and masks of its own, and keeps keys and
values between steps. Most decoders of transformers follow these; some silently do not (they rotate
by length, look back through a window, or ignore positions). So before weights load, a small random
model with the same configuration is read both ways.
"""

from __future__ import annotations

import contextlib
import copy
import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, PretrainedConfig

from relgen.common import InputError
from relgen.kernels import ATTENTION, accelerate
from relgen.models.causal_lm import load_config
from relgen.models.names import EMBEDDED_LANGUAGE_MODEL

TOLERANCE = 1e-3
"""The largest difference of a logit or a hidden state; sound models are below 1e-5."""
VOCABULARY = 96
"""The vocabulary of the small model."""
_WINDOW = 5
_POSITIONS = 20
_TABLE = 512
_SIZES = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "vocab_size": VOCABULARY,
    "moe_intermediate_size": 32,
    "shared_expert_intermediate_size": 32,
    "word_embed_proj_dim": 64,
    "hidden_size_per_layer_input": 16,
    "vocab_size_per_layer_input": VOCABULARY,
    "sliding_window": _WINDOW,
    "attention_chunk_size": _WINDOW,
    "num_local_experts": 4,
    "num_experts": 4,
    "n_routed_experts": 4,
    "num_experts_per_tok": 2,
}
"""By its name in configurations, each size of the small model; absent ones are left out."""


@functools.cache  # tuning asks twice, and the stages of an experiment again
def check_architecture(model: str, use: str, difference: Callable[[Any], Tensor]) -> None:
    """Raise InputError unless a model's architecture computes the same in relgen's layout.

    Args:
        use: what the layout is for, such as `generation`.
        difference: reads a small model in both layouts and returns the differences. Plain texts
            come first, some shorter and some longer than 20 tokens: rotations that depend on the
            length keep that of the longest.
    """
    config = load_config(model)
    if problem := find_problem(config, difference):
        name = type(config).__name__.removesuffix("Config")
        raise InputError(
            f"{use} does not support {name} models: {problem}",
            field="model",
            value=model,
            remedy=f"use {EMBEDDED_LANGUAGE_MODEL}, or a model of Llama's, Qwen2's or Qwen3's form",
        )


def find_problem(config: PretrainedConfig, difference: Callable[[Any], Tensor]) -> str:
    """Return why a layout does not suit a configuration's architecture, or an empty text."""
    try:
        with contextlib.ExitStack() as stack:
            # Lightning loads models under the precision and on the device of its trainer
            stack.enter_context(torch.autocast("cpu", enabled=False))
            stack.enter_context(torch.device("cpu"))
            stack.enter_context(torch.random.fork_rng(devices=()))
            stack.enter_context(torch.inference_mode())
            torch.manual_seed(0)
            model = small_model(config)
            found = max(float(d.abs().max()) for d in (_own_attention(model), difference(model)))
    except Exception as error:
        lines = str(error).splitlines() or [""]
        return f"its layers work in another way ({type(error).__name__}: {lines[0][:120]})"
    if found <= TOLERANCE:  # false for NaN
        return ""
    return f"its layers compute something else in relgen's layout (by {found:.2g})"


def small_model(config: PretrainedConfig) -> Any:
    """Return a random model of the configuration's architecture: two layers, float32, eval mode.

    Windows are of 5 tokens; rotations that depend on the length change beyond 20.
    """
    config = copy.deepcopy(config)
    text: Any = config.get_text_config()
    heads, groups = text.num_attention_heads, getattr(text, "num_key_value_heads", None)
    sizes = _SIZES | {"num_attention_heads": 4}
    if isinstance(groups, int):
        sizes["num_key_value_heads"] = 4 if groups == heads else min(groups, 2)
    if not hasattr(text, "qk_rope_head_dim"):  # from which the width of a head follows
        sizes["head_dim"] = 16
    for name, size in sizes.items():
        if isinstance(getattr(text, name, None), int):
            with contextlib.suppress(AttributeError):  # derived from other sizes
                setattr(text, name, size)
    kinds = getattr(text, "layer_types", None)
    if kinds:
        other = next((kind for kind in kinds if kind != kinds[0]), kinds[0])
        text.layer_types = [kinds[0], other]
    text.num_hidden_layers = 2
    _shorten_positions(text)
    for name in ("pad_token_id", "bos_token_id", "eos_token_id"):
        if hasattr(text, name):
            setattr(text, name, None)
    model = AutoModelForCausalLM.from_config(
        config, attn_implementation=ATTENTION, dtype=torch.float32, trust_remote_code=False
    )
    for parameter in model.parameters():
        # biases and norms too: they must not hide a difference
        parameter.data += 0.1 * torch.randn_like(parameter)
    accelerate(model, for_="reading")
    return model.eval()


def _own_attention(model: Any) -> Tensor:
    """Return how much the logits of a plain text differ from those of the model's own attention."""
    ids = torch.tensor(random_texts(1, _POSITIONS + 4))
    found = model(input_ids=ids, use_cache=False).logits
    model.set_attn_implementation("eager")
    expected = model(input_ids=ids, use_cache=False).logits
    model.set_attn_implementation(ATTENTION)
    return found - expected


def _shorten_positions(text: Any) -> None:
    """Let rotations that change beyond a number of positions change within a short text.

    A table of positions holds the texts that are compared, whatever the model's own holds.
    """
    if isinstance(rows := getattr(text, "max_position_embeddings", None), int):
        text.max_position_embeddings = max(rows, _TABLE)
    rope = getattr(text, "rope_parameters", None) or {}
    if rope.get("rope_type") == "dynamic":
        text.max_position_embeddings = _POSITIONS
    elif rope.get("rope_type") == "longrope":
        for place in (rope, vars(text)):
            if "original_max_position_embeddings" in place:
                place["original_max_position_embeddings"] = _POSITIONS
        for name in ("long_factor", "short_factor"):
            rope[name] = rope[name][:1] * 8


def random_texts(count: int, *lengths: int) -> list[list[int]]:
    """Return `count` token sequences of the lengths given (cyclically), the same in every call."""
    generator = torch.Generator().manual_seed(1)
    sizes = [lengths[number % len(lengths)] for number in range(count)]
    return [torch.randint(3, VOCABULARY, (size,), generator=generator).tolist() for size in sizes]
