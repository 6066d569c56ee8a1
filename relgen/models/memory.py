"""Refuses language models whose weights cannot fit into memory, before they are loaded."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoModelForCausalLM, PretrainedConfig

from relgen.common import InputError, Quantization, ReadingDType, resolved

_OF_NF4 = 0.55  # with its constants


def device_memory(device: torch.device) -> int:
    """Return the total memory of a GPU, or of the machine (or container), in bytes."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with contextlib.suppress(OSError, ValueError):  # the file holds "max" if there is no limit
        total = min(total, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return total


def weight_bytes(
    config: PretrainedConfig, dtype: ReadingDType, quantization: Quantization | None = None
) -> int:
    """Return the bytes of a model's weights; int8 and nf4 are those of its linear layers alone."""
    with torch.device("meta"):
        model: Any = AutoModelForCausalLM.from_config(config, trust_remote_code=False)
    total = sum(weight.numel() for weight in model.parameters())
    known = resolved(dtype)
    each = torch.bfloat16.itemsize if known == "int8" else getattr(torch, known).itemsize
    if known != "int8" and quantization is None:
        return int(total * each)
    layers = [module.weight for module in model.modules() if type(module) is nn.Linear]
    head = model.get_output_embeddings().weight
    if quantization is not None:  # which leaves the head as it is
        layers = [weight for weight in layers if weight is not head]
    linear = sum(weight.numel() for weight in layers)
    tied = head.numel() if model.get_input_embeddings().weight is head else 0
    kept = total - linear + (tied if quantization is None else 0)  # an embedding is not rounded
    return int(kept * each + linear * (1 if quantization is None else _OF_NF4))


def check_memory(
    name: str,
    config: PretrainedConfig,
    device: torch.device,
    dtype: ReadingDType,
    quantization: Quantization | None = None,
) -> None:
    """Raise InputError if a model's weights are larger than all of a device's memory."""
    needed, there = weight_bytes(config, dtype, quantization), device_memory(device)
    if needed <= there:
        return
    form = quantization or resolved(dtype)
    where = "this GPU" if device.type == "cuda" else "this machine"
    smaller = "dtype: int8" if device.type == "cpu" else "quantization: nf4"
    remedy = (
        "use a smaller model" if form in ("int8", "nf4") else f"try {smaller}, or a smaller one"
    )
    raise InputError(
        f"its weights take {needed / 2**30:.1f} GiB in {form}, and {where} has "
        f"{there / 2**30:.1f} GiB of memory",
        field="model",
        value=name,
        remedy=remedy,
    )
