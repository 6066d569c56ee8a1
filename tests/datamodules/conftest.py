"""Samples files, and a cache of tables of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from relgen.data.samples import write_samples
from tests.tiny.encoders import SCHEMA, samples


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")


@pytest.fixture
def files(tmp_path: Path) -> Path:
    SCHEMA.save(tmp_path / "schema.yaml")
    write_samples(tmp_path / "human.jsonl", samples(12))
    write_samples(tmp_path / "generated.jsonl", samples(12, source="generated", skip=12))
    write_samples(tmp_path / "test.jsonl", samples(9, source="test", skip=24))
    return tmp_path
