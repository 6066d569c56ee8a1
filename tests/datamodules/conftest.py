"""Samples files, and a cache of tables of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tiny.encoders import save_files


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")


@pytest.fixture
def files(tmp_path: Path) -> Path:
    return save_files(tmp_path, human=12, generated=12, test=9)
