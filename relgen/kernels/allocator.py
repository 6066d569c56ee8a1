"""Settings of the C library's allocator for memory that tensors free.

glibc returns large blocks to the system as soon as they are free. The next tensor gets new pages,
filled with zeros, one at a time; a training step does this for gigabytes.
"""

from __future__ import annotations

import ctypes
from typing import Any

from relgen.kernels.switch import in_use

# glibc's malloc.h
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_NEVER = -1
_PIECES = (1 << 30, 32 << 20)
"""Larger blocks go back to the system; glibc before 2.35 takes no more than 32 MiB."""


def keep_freed_memory() -> bool:
    """Keep freed memory for the next tensors; return whether the allocator (glibc's) does so.

    The process then stays at its peak size until `return_freed_memory`. Only programs should call
    this: a library must not decide it for its importers.
    """
    if not in_use("allocator"):
        return False
    mallopt = _of_libc("mallopt")
    if mallopt is None:
        return False
    # setting either stops glibc from adapting both: the second alone would return every block of
    # 128 KiB at once
    taken = any(mallopt(_M_MMAP_THRESHOLD, ctypes.c_int(size)) for size in _PIECES)
    return taken and bool(mallopt(_M_TRIM_THRESHOLD, ctypes.c_int(_NEVER)))


def return_freed_memory() -> None:
    """Return free memory to the system, if the allocator is glibc's."""
    if not in_use("allocator"):
        return
    trim = _of_libc("malloc_trim")
    if trim is not None:
        trim(ctypes.c_size_t(0))


def _of_libc(name: str) -> Any:
    """Return a function of the C library, or None."""
    try:
        return getattr(ctypes.CDLL(None), name)
    except (AttributeError, OSError, TypeError):
        return None
