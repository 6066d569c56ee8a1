"""The switch of all kernels: the environment variable `RELGEN_KERNELS`.

    RELGEN_KERNELS=off             everything runs plainly
    RELGEN_KERNELS=-norms,-head    all kernels but these

Without it all are in use, each where it computes what the plain form computes.
"""

from __future__ import annotations

import os
from typing import Literal, get_args

from relgen.common import InputError

Kernel = Literal[
    "allocator",  # freed memory is kept for the next tensors
    "decoding",  # weights laid out once as oneDNN reads them
    "gated",  # SwiGLU that keeps half as much for its backward pass
    "grouped",  # attention with a mask over grouped keys and values, without copies
    "head",  # log-probabilities without keeping logits
    "last_layer",  # a classifier's last layer at the tokens that are read
    "linear",  # float32 products by oneDNN
    "lora",  # LoRA's update added in place
    "norms",  # RMS norms in few passes
    "tiles",  # attention over prefix trees as plain products
]
KERNELS: tuple[Kernel, ...] = get_args(Kernel)
_VARIABLE = "RELGEN_KERNELS"


def in_use(kernel: Kernel) -> bool:
    """Return whether a kernel is switched on.

    Raises:
        InputError: the environment variable has another form.
    """
    return kernel not in _left_out(os.environ.get(_VARIABLE, ""))


def _left_out(value: str) -> tuple[str, ...]:
    if value in ("", "on"):
        return ()
    if value == "off":
        return KERNELS
    names = tuple(name.strip().removeprefix("-") for name in value.split(","))
    if not value.startswith("-") or not set(names) <= set(KERNELS):
        raise InputError(
            "switches the kernels in a form that is not known",
            field=_VARIABLE,
            value=value,
            remedy=f"set it to off, or leave some out: -norms,-head; known: {', '.join(KERNELS)}",
        )
    return names
