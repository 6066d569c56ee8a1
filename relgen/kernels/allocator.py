"""Settings of the C library's allocator for memory that tensors free.

glibc returns large pieces to the system as soon as they are free, and fetches them again for the
next tensor, a page at a time and filled with zeros. A step of training frees and fetches gigabytes.
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
"""Larger pieces go back to the system; before glibc 2.35, 32 MiB was the most."""


def keep_freed_memory() -> bool:
    """Keep what this process's tensors free for the next ones; larger pieces still go back.

    Its size then stays at its peak, until `return_freed_memory`. For programs: a library should not
    decide this for whoever imports it.

    Returns:
        True if the allocator took the setting: glibc's does, others have none.
    """
    if not in_use("allocator"):
        return False
    mallopt = _of_libc("mallopt")
    if mallopt is None:
        return False
    # once either is set, glibc adapts neither any more: the second without the first would send
    # every piece of 128 KiB back at once
    taken = any(mallopt(_M_MMAP_THRESHOLD, ctypes.c_int(size)) for size in _PIECES)
    return taken and bool(mallopt(_M_TRIM_THRESHOLD, ctypes.c_int(_NEVER)))


def return_freed_memory() -> None:
    """Give what is free back to the system, where the allocator is glibc's."""
    if not in_use("allocator"):
        return
    trim = _of_libc("malloc_trim")
    if trim is not None:
        trim(ctypes.c_size_t(0))


def _of_libc(name: str) -> Any:
    """Return a function of the C library, or None where it has none of that name."""
    try:
        return getattr(ctypes.CDLL(None), name)
    except (AttributeError, OSError, TypeError):
        return None
