"""Gives back the memory of weights that were copied into another layout.

Weights stay in their file and are mapped, so that pages come into memory as they are read. Without
this they would stay there beside the copy. Those that were converted stand in the heaps of the
threads that read them, which would keep what is freed.
"""

from __future__ import annotations

import ctypes
import mmap
import sys

from torch import Tensor

_PAGE_OUT = 21  # MADV_PAGEOUT of Linux 5.4; Python's mmap has no name for it


def give_back(weight: Tensor) -> None:
    """Tell Linux that a weight on the CPU will not be read soon; its values stay what they are.

    The memory of weights that were freed before goes back to the system.
    """
    if sys.platform != "linux" or weight.device.type != "cpu":
        return
    library, page = ctypes.CDLL(None), mmap.PAGESIZE
    if hasattr(library, "malloc_trim"):  # of glibc
        library.malloc_trim(0)
    start = -(-weight.data_ptr() // page) * page
    end = (weight.data_ptr() + weight.numel() * weight.element_size()) // page * page
    if end > start:  # an error, as on older systems, changes nothing
        library.madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), _PAGE_OUT)
