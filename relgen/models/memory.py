"""Computes the memory of a language model from its configuration; refuses what cannot fit.

    total = weights + cache + activations

*Weights* are those of the model in the dtype it computes in. The *cache* holds the keys and values
of tokens. *Activations* are the intermediate results of one layer for the tokens of a pass, and the
logits. All are known before weights load.
"""

from __future__ import annotations

import gc
from typing import Any, NamedTuple

import torch
from torch import nn
from transformers import AutoModelForCausalLM, PretrainedConfig

from relgen.common import InputError, Quantization, ReadingDType, resolved
from relgen.models.memory_left import free_memory

_OF_NF4 = 0.55  # with its constants
_GIB = 1 << 30


class ModelMemory(NamedTuple):
    """Bytes that a language model takes.

    A pass holds four results of the width of a layer's widest product at once (gate, up, their
    activation and product), and six hidden states. int8 rounds float32 rows.
    """

    weights: int
    cached: int  # by keys and values, for each token
    activations: int  # for each token of a pass
    logits: int  # for each token, in float32

    @classmethod
    def of(
        cls,
        config: PretrainedConfig,
        dtype: ReadingDType = "float32",
        quantization: Quantization | None = None,
    ) -> ModelMemory:
        """Compute the memory of a model; int8 and nf4 are the dtypes of linear layers alone."""
        with torch.device("meta"):
            model: Any = AutoModelForCausalLM.from_config(config, trust_remote_code=False)
        known, text = resolved(dtype), config.get_text_config()
        size = torch.bfloat16.itemsize if known == "int8" else getattr(torch, known).itemsize
        head = model.get_output_embeddings()
        widths = [
            max(weight.shape[-2:])
            for module in model.modules()
            if module is not head and not isinstance(module, nn.Embedding)
            for weight in module.parameters(recurse=False)
            if weight.dim() > 1
        ]
        widest = max(widths, default=0)  # a damaged configuration may name no layers
        working = max(size, 4) if known == "int8" or quantization else size
        return cls(
            weights=_weights(model, known, quantization, size),
            cached=text.num_hidden_layers * _cached_width(text) * size,
            activations=(4 * widest + 6 * text.hidden_size) * working,
            logits=max(size, 4) * head.weight.shape[0],
        )


def _weights(model: Any, dtype: ReadingDType, quantization: Quantization | None, size: int) -> int:
    total = sum(weight.numel() for weight in model.parameters())
    if dtype != "int8" and quantization is None:
        return int(total * size)
    layers = [module.weight for module in model.modules() if type(module) is nn.Linear]
    head = model.get_output_embeddings().weight
    if quantization is not None:  # which leaves the head as it is
        layers = [weight for weight in layers if weight is not head]
    linear = sum(weight.numel() for weight in layers)
    tied = head.numel() if model.get_input_embeddings().weight is head else 0
    kept = total - linear + (tied if quantization is None else 0)  # an embedding is not rounded
    return int(kept * size + linear * (1 if quantization is None else _OF_NF4))


def _cached_width(text: Any) -> int:
    """Return the numbers that a layer caches for a token: its keys and values."""
    if latent := getattr(text, "kv_lora_rank", None):
        return int(latent + text.qk_rope_head_dim)
    heads = text.num_attention_heads
    groups = getattr(text, "num_key_value_heads", None) or heads
    return 2 * groups * int(getattr(text, "head_dim", None) or text.hidden_size // heads)


def check_memory(
    name: str,
    memory: ModelMemory,
    device: torch.device,
    form: str,
    working: int = 0,
    fewer: str = "",
    trained: bool = False,
) -> None:
    """Raise InputError if a model does not fit into the memory that a device has left.

    Args:
        form: dtype or quantization of the weights, for the message.
        working: bytes that are needed beside the weights.
        fewer: what to do about these, for the message.
        trained: the model is tuned, which int8 does not allow.
    """
    needed = memory.weights + working
    there = free_memory(device)
    if needed > there:
        gc.collect()  # the model of an earlier stage
        there = free_memory(device)
    if needed <= there:
        return
    smaller = "quantization: nf4" if trained or device.type != "cpu" else "dtype: int8"
    others = [fewer, "" if form in ("int8", "nf4") else f"try {smaller}", "use a smaller model"]
    *first, last = filter(None, others)
    raise InputError(
        f"it needs {needed / _GIB:.1f} GiB ({memory.weights / _GIB:.1f} of them for its weights "
        f"in {form}), and {'this GPU' if device.type == 'cuda' else 'this machine'} has "
        f"{there / _GIB:.1f} GiB of memory left",
        field="model",
        value=name,
        remedy=f"{', '.join(first)}, or {last}" if first else last,
    )
