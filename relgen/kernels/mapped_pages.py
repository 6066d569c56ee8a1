"""Gives back the memory of weights that were copied into another layout.

Weights stay in their file and are mapped, so that pages come into memory as they are read. Without
this they would stay there beside the copy.
"""

from __future__ import annotations

import ctypes
import mmap
import sys

from torch import Tensor

_PAGE_OUT = 21  # MADV_PAGEOUT of Linux 5.4; Python's mmap has no name for it


def give_back(weight: Tensor) -> None:
    """Tell Linux that a weight on the CPU will not be read soon; its values stay what they are."""
    if sys.platform != "linux" or weight.device.type != "cpu":
        return
    page = mmap.PAGESIZE
    start = -(-weight.data_ptr() // page) * page
    end = (weight.data_ptr() + weight.numel() * weight.element_size()) // page * page
    if end > start:  # an error, as on older systems, changes nothing
        ctypes.CDLL(None).madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), _PAGE_OUT)
