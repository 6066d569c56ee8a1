"""Replaces layers by faster ones, depending on what the model is used for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from torch import nn

from relgen.common import InputError, multiplies_bfloat16
from relgen.kernels.int8_linear import int8_linear
from relgen.kernels.last_layer import narrow
from relgen.kernels.onednn_linear import decoding_linear, fast_linear
from relgen.kernels.switch import Kernel, in_use

Use = Literal["reading", "training", "generation", "classifier"]
Replacement = Callable[[nn.Module], nn.Module | None]
"""Maps a module to a faster one with the same weights, or to None to keep it."""


def accelerate(model: nn.Module, for_: Use, *, int8: bool = False) -> None:
    """Replace layers by faster ones that compute the same; weights and their names stay.

    Args:
        model: changed in place.
        for_: `reading` runs a model forward; `training` tunes a LoRA adapter of a frozen base
            (PEFT's model); `classifier` trains an encoder and reads the states of few tokens
            (`relgen.kernels.read_states`); `generation` decodes, after which the model can neither
            be trained nor saved.
        int8: round the weights of linear layers to 8 bits (`relgen.kernels.int8_linear`), which
            frees the others: the model can then neither be trained nor saved. Other layers are in
            bfloat16 where the processor multiplies that, else in float32.

    Raises InputError if `int8` is asked for on another device than a CPU.
    """
    if getattr(model, "is_quantized", False):
        _keep_packed_weights(model)
    if int8:
        device = next(model.parameters()).device
        if device.type != "cpu":
            raise InputError(
                f"int8 is for CPUs; this model is on {device}",
                field="dtype",
                value="int8",
                remedy="use bfloat16, or quantization: nf4",
            )
        replace_modules(model, int8_linear)
        if not multiplies_bfloat16():
            model.float()
    for kernel, replacement in _replacements(for_).items():
        if in_use(kernel):
            replace_modules(model, replacement)
    if for_ == "classifier":
        encoder: Any = getattr(model, "base_model", model)
        narrow(encoder)


def _replacements(use: Use) -> dict[Kernel, Replacement]:
    """Return functions in order: a later one may replace layers that an earlier one made."""
    if use == "classifier":
        return {}
    if use == "generation":
        return {"linear": fast_linear, "decoding": decoding_linear}
    if use == "reading":
        return {"linear": fast_linear}
    # here, since PEFT takes a quarter of the time that a classifier needs to start
    from relgen.kernels.fused_lora import fused_lora
    from relgen.kernels.fused_mlp import fused_gated
    from relgen.kernels.fused_norm import fused_norm

    return {
        "linear": fast_linear,
        "lora": fused_lora,
        "gated": fused_gated,
        "norms": fused_norm,
    }


def replace_modules(model: nn.Module, replacement: Replacement) -> None:
    """Replace the modules below a model in their parents."""
    # children are not listed beforehand, so that each is freed when it is replaced
    for parent in [module for module in model.modules() if next(module.children(), None)]:
        for name in list(parent._modules):
            child = parent._modules[name]
            new = None if child is None else replacement(child)
            if new is not None:
                setattr(parent, name, new)


def _keep_packed_weights(model: nn.Module) -> None:
    """Stop bitsandbytes from repacking 4-bit weights at the first forward without gradients.

    On CPUs with bfloat16 instructions it would round the scales once more, and thereby change the
    base and the reference during training.
    """
    from bitsandbytes.nn.modules import Linear4bit

    for module in model.modules():
        if isinstance(module, Linear4bit):
            module.support_avx512bf16_for_cpu = False
