"""Which dtype is fast here, told from the processor's features or the GPU."""

from __future__ import annotations

from pathlib import Path

import pytest

from relgen import hardware


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("flags : fpu amx_tile amx_bf16 sse", "bfloat16"),
        ("flags : fpu avx512_bf16 sse", "float32"),
        ("flags : no_amx_bf16", "float32"),
        (None, "float32"),
    ],
)
def test_a_processor_needs_matrix_units(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: str | None, expected: str
) -> None:
    if flags:
        (tmp_path / "cpuinfo").write_text(flags)
    monkeypatch.setattr(hardware, "_PROCESSOR", tmp_path / "cpuinfo")
    monkeypatch.setattr(hardware, "_NVIDIA", tmp_path / "none")
    assert hardware.fast_dtype() == expected


@pytest.mark.parametrize(("half", "expected"), [(True, "bfloat16"), (False, "float32")])
def test_a_gpu_decides_where_there_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, half: bool, expected: str
) -> None:
    monkeypatch.setattr(hardware, "_NVIDIA", tmp_path)
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.is_bf16_supported", lambda **options: half)
    assert hardware.fast_dtype() == expected
