"""What this machine computes fast, without importing torch where the question can do without."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Literal

_PROCESSOR = Path("/proc/cpuinfo")
_NVIDIA = Path("/dev/nvidiactl")


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


def is_intel() -> bool:
    """Whether the processor is one of Intel's. Where nothing tells, it is not."""
    return "GenuineIntel" in (_processor() or platform.processor())


def _processor() -> str:
    """Linux's description of the processors, or nothing."""
    return _PROCESSOR.read_text(errors="replace") if _PROCESSOR.is_file() else ""
