"""How the C library's allocator treats memory that tensors give back.

glibc returns large pieces to the system as soon as they are free, and fetches them again for the
next tensor, a page at a time and filled with zeros. A step of training frees and fetches gigabytes.
"""

from __future__ import annotations

import ctypes

# glibc's malloc.h
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_PIECE = 1 << 30


def keep_freed_memory() -> bool:
    """Lets this process keep up to 2 GiB at the heap's end that its tensors freed.

    Its size then stays near its peak; pieces of 1 GiB and more go back at once as before. For
    programs: a library should not decide this for whoever imports it.

    Returns:
        Whether the allocator took it: glibc's does, others have no such setting.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    limits = ((_M_TRIM_THRESHOLD, (1 << 31) - 1), (_M_MMAP_THRESHOLD, _PIECE))
    return all(mallopt(ctypes.c_int(name), ctypes.c_int(value)) for name, value in limits)
