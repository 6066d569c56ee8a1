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


@pytest.mark.parametrize(
    ("listed", "said", "expected"),
    [
        ("vendor_id : GenuineIntel", "", True),
        ("vendor_id : AuthenticAMD", "GenuineIntel", False),
        (None, "Intel64 Family 6 Model 94 Stepping 3, GenuineIntel", True),
        (None, "AMD64 Family 25 Model 33 Stepping 0, AuthenticAMD", False),
        (None, "", False),
    ],
)
def test_whose_processor_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, listed: str | None, said: str, expected: bool
) -> None:
    if listed:
        (tmp_path / "cpuinfo").write_text(listed)
    monkeypatch.setattr(hardware, "_PROCESSOR", tmp_path / "cpuinfo")
    monkeypatch.setattr("platform.processor", lambda: said)
    assert hardware.is_intel() is expected
