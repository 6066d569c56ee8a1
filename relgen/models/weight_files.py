"""Reads weights that change their dtype from their files, instead of mapping these.

transformers maps a model's files. Where weights keep their dtype, the mapped pages are the weights;
else they would stay in memory beside the converted copies.
"""

from __future__ import annotations

from typing import Any

import torch
from safetensors import safe_open
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


def unmapped_weights(model: str, dtype: torch.dtype) -> dict[str, _Weight] | None:
    """Return the weights of a folder or Hub id, by name, each of which is read when it is used.

    They are for the argument `state_dict` of `from_pretrained`. Returns None, for which the files
    are mapped, if they have this dtype already or are no safetensors.
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
