"""Reads the environment variable `RELGEN_KERNELS`, which turns kernels off.

    RELGEN_KERNELS=off             no kernels
    RELGEN_KERNELS=-norms,-head    all kernels but these

By default all are in use.
"""

from __future__ import annotations

import os
from typing import Literal, get_args

from relgen.common import InputError

Kernel = Literal[
    "decoding",  # weights in oneDNN's layout
    "drafts",  # one copy of a prompt for the drafts that share it
    "gated",  # SwiGLU with half as much kept for its backward pass
    "head",  # log-probabilities without keeping logits
    "last_layer",  # a classifier's last layer, at the tokens that are read
    "linear",  # float32 products by oneDNN
    "lora",  # LoRA's update added in place
    "norms",  # RMS norms with few passes over memory
]
KERNELS: tuple[Kernel, ...] = get_args(Kernel)
_VARIABLE = "RELGEN_KERNELS"


def in_use(kernel: Kernel) -> bool:
    """Return whether a kernel is switched on; raise InputError if `RELGEN_KERNELS` is malformed."""
    return kernel not in _left_out(os.environ.get(_VARIABLE, ""))


def _left_out(value: str) -> tuple[str, ...]:
    if value in ("", "on"):
        return ()
    if value == "off":
        return KERNELS
    names = tuple(name.strip().removeprefix("-") for name in value.split(","))
    if not value.startswith("-") or not set(names) <= set(KERNELS):
        raise InputError(
            "unknown value",
            field=_VARIABLE,
            value=value,
            remedy=f"set it to off, or to the kernels to leave out, such as -norms,-head; "
            f"kernels: {', '.join(KERNELS)}",
        )
    return names
