"""Tells how much memory there is: of a GPU, or of the machine and this process's control groups."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import psutil
import torch

_GROUPS = Path("/proc/self/cgroup")
_MOUNTED = Path("/sys/fs/cgroup")
_FILES = {
    2: ("memory.max", "memory.current", "inactive_file"),
    1: ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
}
"""By the version of control groups: limit, use, and the key of the use that can be reclaimed."""


def device_memory(device: torch.device) -> int:
    """Return the total memory of a GPU, or of the machine (or container), in bytes."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    return min(psutil.virtual_memory().total, *(limit for limit, _ in _limits()), 1 << 63)


def free_memory(device: torch.device) -> int:
    """Return how many bytes of `device_memory` are free, or hold files that can be read again."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    left = (limit - used for limit, used in _limits())
    return max(0, min(psutil.virtual_memory().available, *left, 1 << 63))


def _limits() -> Iterator[tuple[int, int]]:
    """Yield limit and use of each control group around this process that has a limit (Linux)."""
    lines = _GROUPS.read_text().splitlines() if _GROUPS.is_file() else []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        root = _MOUNTED / "memory" if controllers else _MOUNTED
        limit, used, idle = _FILES[1 if controllers else 2]
        below = Path(path).relative_to("/")
        for folder in (root / part for part in (below, *below.parents)):
            # no such file in the root, and a word for no limit
            with contextlib.suppress(OSError, ValueError):
                most = int((folder / limit).read_text())
                stat = (row.split() for row in (folder / "memory.stat").read_text().splitlines())
                freed = sum(int(value) for name, value in stat if name == idle)
                yield most, int((folder / used).read_text()) - freed
