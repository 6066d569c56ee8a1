"""A configuration of toy classes."""

from __future__ import annotations

from pathlib import Path

import pytest

CLASS = "tests.relgen.toy_classes"
TOY = f"""
model:
  class_path: {CLASS}.ToyModule
  init_args:
    beta: 0.1
data:
  class_path: {CLASS}.ToyData
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "toy.yaml"
    path.write_text(TOY, encoding="utf-8")
    return path
