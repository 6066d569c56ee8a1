"""Samples files, and a cache of tables of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tiny.encoders import save_files


@pytest.fixture
def files(tmp_path: Path) -> Path:
    return save_files(tmp_path, human=12, generated=12, test=9)
