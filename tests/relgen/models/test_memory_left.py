"""The memory that is there, within the limits of control groups."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from relgen.models import memory_left as module
from relgen.models.memory_left import device_memory, free_memory

CPU = torch.device("cpu")


def test_this_machine() -> None:
    assert 2**20 < free_memory(CPU) <= device_memory(CPU)


@pytest.mark.parametrize(
    ("line", "files"),
    [
        (
            "0::/user/job",
            {
                "user/memory.max": "9000000",
                "user/memory.current": "3000000",
                "user/memory.stat": "anon 1\ninactive_file 500000",
                "user/job/memory.max": "max",
                "user/job/memory.current": "1",
                "user/job/memory.stat": "inactive_file 1",
            },
        ),
        (
            "4:cpu,memory:/hidden",  # a container sees its own group as the root
            {
                "memory/memory.limit_in_bytes": "9000000",
                "memory/memory.usage_in_bytes": "3000000",
                "memory/memory.stat": "cache 7\ntotal_inactive_file 500000",
            },
        ),
    ],
)
def test_limits_of_control_groups(
    line: str, files: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "cgroup").write_text(f"8:pids:/user\n{line}\n")
    monkeypatch.setattr(module, "_GROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(module, "_MOUNTED", tmp_path)
    assert device_memory(CPU) == 9_000_000
    assert free_memory(CPU) == 6_500_000
