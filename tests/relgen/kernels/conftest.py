"""Skips the kernels' own tests where `RELGEN_KERNELS` switches kernels off."""

from __future__ import annotations

import os

import pytest

from relgen.kernels import onednn_linear


@pytest.fixture(autouse=True)
def _switched_on() -> None:
    if os.environ.get("RELGEN_KERNELS"):
        pytest.skip("a kernel's own test: RELGEN_KERNELS switches kernels off")


@pytest.fixture
def onednn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let oneDNN compute on whatever processor this is."""
    if not onednn_linear._has_onednn():
        pytest.skip("this torch has no oneDNN")
    monkeypatch.setattr(onednn_linear, "_gains", lambda: True)
