"""Reads weights that change their dtype from their files, instead of mapping these.

transformers maps a model's files. Where weights keep their dtype, the mapped pages are the weights;
else they would stay in memory beside the converted copies.
"""

from __future__ import annotations

import contextlib
from typing import Any

import torch
from safetensors import safe_open
from transformers import AutoModelForCausalLM, GenerationConfig, PretrainedConfig
from transformers.utils import SAFE_WEIGHTS_INDEX_NAME, SAFE_WEIGHTS_NAME
from transformers.utils.hub import cached_file, get_checkpoint_shard_files

_NAMES = {
    torch.float32: "F32",
    torch.bfloat16: "BF16",
    torch.float16: "F16",
    torch.float64: "F64",
}


class _Weight:
    """A weight in an open file, which is read by an index."""

    def __init__(self, weight: Any) -> None:
        self._weight = weight

    def __getitem__(self, at: Any) -> torch.Tensor:
        read: torch.Tensor = self._weight[at]
        return read

    def __deepcopy__(self, memo: object) -> _Weight:
        return self  # transformers copies its arguments


def load_weights(
    model: str, config: PretrainedConfig, options: dict[str, Any]
) -> tuple[Any, dict[str, Any]]:
    """Load a causal language model, a folder or Hub id, and the report of what its files hold.

    `options` are arguments of `from_pretrained`, among them `dtype`.
    """
    options = {**options, "output_loading_info": True}
    weights = None
    if "quantization_config" not in options:
        weights = unmapped_weights(model, options["dtype"])
    if weights is None:
        # the stubs lack the pair
        pair: Any = AutoModelForCausalLM.from_pretrained(model, trust_remote_code=False, **options)
        return pair
    with torch.device("meta"):
        empty = AutoModelForCausalLM.from_config(config, trust_remote_code=False)
    loaded, report = type(empty).from_pretrained(
        None, config=empty.config, state_dict=weights, **options
    )
    loaded.name_or_path = loaded.config.name_or_path = model
    with contextlib.suppress(OSError):  # not every model has one
        loaded.generation_config = GenerationConfig.from_pretrained(model)
    return loaded, report


def unmapped_weights(model: str, dtype: torch.dtype) -> dict[str, _Weight] | None:
    """Return the weights of a folder or Hub id, by name, each of which is read when it is used.

    Returns None if they have this dtype already, or are no safetensors.
    """
    quiet: dict[str, Any] = {"_raise_exceptions_for_missing_entries": False}
    files: list[str]
    if file := cached_file(model, SAFE_WEIGHTS_NAME, **quiet):
        files = [file]
    elif index := cached_file(model, SAFE_WEIGHTS_INDEX_NAME, **quiet):
        files, _ = get_checkpoint_shard_files(model, index)
    else:
        return None
    weights: dict[str, _Weight] = {}
    kept = True
    for file in files:
        opened = safe_open(file, framework="pt", device="cpu", backend="pread")
        for name in opened.keys():  # noqa: SIM118
            weight = opened.get_slice(name)
            weights[name] = _Weight(weight)
            kept = kept and weight.get_dtype() == _NAMES[dtype]
    return None if kept else weights
