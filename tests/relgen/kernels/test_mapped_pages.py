"""Pages of a weight's file: given back, and read again when they are needed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from relgen.kernels.mapped_pages import give_back

pytestmark = pytest.mark.compute


def resident() -> int:
    """Return the bytes of files that this process has in memory."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith("RssFile")).split()[1])


@pytest.mark.skipif(sys.platform != "linux", reason="about Linux's pages")
def test_pages_are_given_back_and_come_again(tmp_path: Path) -> None:
    size = 64 * 2**20
    weight = torch.arange(size // 4, dtype=torch.float32)
    save_file({"weight": weight}, tmp_path / "weight.safetensors")
    loaded = load_file(tmp_path / "weight.safetensors")["weight"]
    total = loaded.sum()
    before = resident()
    give_back(loaded)
    assert before - resident() > size / 2
    assert loaded.sum() == total


def test_other_memory_keeps_its_values() -> None:
    values = torch.arange(100_000)
    give_back(values)
    give_back(torch.empty(0))
    assert torch.equal(values, torch.arange(100_000))
