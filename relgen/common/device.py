"""Tells which dtype this machine computes fast; imports torch only where there is a GPU."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Literal, TypeVar

_PROCESSOR = Path("/proc/cpuinfo")
_NVIDIA = Path("/dev/nvidiactl")


DType = Literal["float32", "bfloat16", "float16", "float64", "auto"]
"""Of weights. `auto` stands for `fast_dtype` until the command runs; see `resolved`."""

ReadingDType = Literal["float32", "bfloat16", "float16", "float64", "auto", "int8"]
"""Of a model that is not trained; `int8` rounds its linear layers (`relgen.kernels.accelerate`)."""

Quantization = Literal["nf4"]

# half precision applies to the arithmetic: trained weights stay in float32
PRECISIONS: dict[DType, str] = {
    "float32": "32-true",
    "bfloat16": "bf16-mixed",
    "float16": "16-mixed",
    "float64": "64-true",
    "auto": "auto",
}
"""Lightning's `precision` for models that are trained in a dtype."""


DTypeName = TypeVar("DTypeName", DType, ReadingDType)


def resolved(dtype: DTypeName) -> DTypeName:
    """Return a dtype; for `auto`, the one that is fast on this machine.

    An experiment is planned on one machine and its stages run on others: `auto` becomes a dtype
    only where the computation runs.
    """
    return fast_dtype() if dtype == "auto" else dtype


def fast_dtype() -> Literal["bfloat16", "float32"]:
    """Return `bfloat16` where this machine has matrix units for it, else `float32`.

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
    """Return whether the processor multiplies bfloat16: by matrix units or by AVX-512.

    With AVX-512 alone a classifier predicts 1.6 times as fast as in float32; `fast_dtype`
    covers training and generation too, and asks for matrix units.
    """
    return not {"amx_bf16", "avx512_bf16"}.isdisjoint(_processor().split())


def is_intel() -> bool:
    """Return whether the processor is an Intel processor, as far as is known."""
    return "GenuineIntel" in (_processor() or platform.processor())


def _processor() -> str:
    """Return Linux's description of the processors, or an empty text."""
    return _PROCESSOR.read_text(errors="replace") if _PROCESSOR.is_file() else ""
