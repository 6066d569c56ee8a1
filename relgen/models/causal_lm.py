"""Loads language models by name, unquantised or in 4 bits; adapters are in `relgen.models.lora`."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoTokenizer,
    BitsAndBytesConfig,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from relgen.common import DType, InputError, Quantization, ReadingDType, counted, resolved
from relgen.kernels import ATTENTION, accelerate
from relgen.models.gguf import converted, find_gguf
from relgen.models.load_errors import loading
from relgen.models.memory import ModelMemory, check_memory
from relgen.models.names import EMBEDDED_LANGUAGE_MODEL, embedded_file, refuse_unknown
from relgen.models.weight_files import load_weights


def resolve_model(name: str) -> str:
    """Return the argument of `from_pretrained` for a model's name.

    Embedded names and GGUF files (a path, or `repository:file.gguf` on the Hub) become local
    folders; other folders and Hub ids are returned unchanged.

    Raises:
        InputError: an embedded name whose wheel is not installed, or a GGUF file that cannot be
            found or converted, or a name that no model has.
    """
    refuse_unknown(name)
    if file := embedded_file(name):
        # float32 keeps every dequantised value as it is
        return str(converted(file, "float32") if file.suffix == ".gguf" else file.parent)
    if gguf := find_gguf(name):
        return str(converted(gguf))
    return name


def load_config(name: str) -> PretrainedConfig:
    """Load the configuration of a model; raise InputError if it cannot be found."""
    with loading(name):
        return AutoConfig.from_pretrained(resolve_model(name), trust_remote_code=False)


def load_tokenizer(name: str) -> PreTrainedTokenizerBase:
    """Load the tokenizer of a model; raise InputError if it is not there, or another model's."""
    with loading(name):
        found = AutoTokenizer.from_pretrained(resolve_model(name), trust_remote_code=False)
    rows = None
    with contextlib.suppress(Exception):  # a server's has no model, and loading one says the rest
        rows = load_config(name).get_text_config().vocab_size
    if rows is not None and found.vocab_size > rows:
        raise InputError(
            f"its tokenizer is another model's: it has {found.vocab_size} tokens, and the model's "
            f"tables {rows}",
            field="model",
            value=name,
            remedy="fetch it again, or use another model",
        )
    return found


def load_language_model(
    name: str,
    *,
    dtype: ReadingDType = "float32",
    quantization: Quantization | None = None,
    double_quantization: bool = True,
    compute_dtype: DType = "bfloat16",
    attention: str = ATTENTION,
    device: torch.device | str | None = None,
    working: Callable[[ModelMemory], int] = lambda memory: 0,
    fewer: str = "",
    trained: bool = False,
) -> PreTrainedModel:
    """Load a causal language model (by any name of `resolve_model`), in eval mode.

    Args:
        dtype: of the weights that are not quantised; int8 loads bfloat16, for `accelerate` to round
            once adapters are merged.
        quantization: `nf4` keeps the linear layers in 4 bits (bitsandbytes).
        double_quantization: quantise the quantisation constants as well.
        compute_dtype: dtype in which 4-bit layers compute.
        attention: a name registered with transformers, such as `sdpa`.
        device: of quantised weights; others are loaded on the CPU.
        working: returns the bytes that its use needs beside the weights.
        fewer: what would make them fewer, for the message.
        trained: the model is tuned.

    Raises:
        InputError: the model cannot be found, is not a language model, or does not fit into memory.
    """
    options: dict[str, Any] = {
        "dtype": torch.bfloat16 if dtype == "int8" else getattr(torch, resolved(dtype)),
        "attn_implementation": attention,
    }
    if quantization == "nf4":
        options["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=double_quantization,
            bnb_4bit_compute_dtype=getattr(torch, resolved(compute_dtype)),
        )
        options["device_map"] = {"": str(device or "cpu")}
    config = load_config(name)
    with loading(name):
        memory = ModelMemory.of(config, dtype, quantization)
        form = quantization or resolved(dtype)
        check_memory(
            name, memory, torch.device(device or "cpu"), form, working(memory), fewer, trained
        )
        model, report = load_weights(resolve_model(name), config, options)
    _check_complete(name, report)
    accelerate(model, for_="reading")
    return model.eval()


def _check_complete(name: str, report: dict[str, Any]) -> None:
    """Raise InputError if files lack weights of their model, or have layers beyond its own."""
    if missing := sorted(report["missing_keys"]):
        raise InputError(
            f"not a language model: its files lack {counted(len(missing), 'weight')}, such as "
            f"{missing[0]}",
            field="model",
            value=name,
            remedy=f"choose one that generates text, such as {EMBEDDED_LANGUAGE_MODEL}",
        )
    if unused := sorted(key for key in report["unexpected_keys"] if re.search(r"\.\d+\.", key)):
        raise InputError(
            f"its config.json has fewer layers than its files: {unused[0]} would not be used",
            field="model",
            value=name,
            remedy="fetch it again, or use another model",
        )
