"""What this machine computes fast, without importing torch where the question can do without."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any, Literal

_PROCESSOR = Path("/proc/cpuinfo")
_NVIDIA = Path("/dev/nvidiactl")


AUTO = "auto"
"""Stands for `fast_dtype` in command lines and experiments, until the command runs."""


def resolved(dtype: Any) -> Any:
    """What was given as a dtype; for `auto`, the name of what is fast here.

    An experiment is planned on one machine and its stages run on others: `auto` becomes a dtype
    where the numbers are worked out, and nowhere before.
    """
    return fast_dtype() if dtype == AUTO else dtype


def fast_dtype() -> Literal["bfloat16", "float32"]:
    """`bfloat16` where this machine has matrix units for it, else `float32`.

    Processors without such units emulate it, many times slower. Where neither a GPU's device file
    nor Linux's list of processor features is found, the answer is `float32`.
    """
    if _NVIDIA.exists():
        import torch

        if torch.cuda.is_available():
            half = torch.cuda.is_bf16_supported(including_emulation=False)
            return "bfloat16" if half else "float32"
    return "bfloat16" if "amx_bf16" in _processor().split() else "float32"


def multiplies_bfloat16() -> bool:
    """Whether the processor has instructions for products of bfloat16: matrix units or AVX-512's.

    With AVX-512's alone a classifier predicts 1.6 times as fast as in float32; `fast_dtype` is
    about all that a model does, and asks for more.
    """
    return not {"amx_bf16", "avx512_bf16"}.isdisjoint(_processor().split())


def is_intel() -> bool:
    """Whether the processor is one of Intel's. Where nothing tells, it is not."""
    return "GenuineIntel" in (_processor() or platform.processor())


def _processor() -> str:
    """Linux's description of the processors, or nothing."""
    return _PROCESSOR.read_text(errors="replace") if _PROCESSOR.is_file() else ""
