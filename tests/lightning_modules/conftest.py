"""Fixtures of the tests of what Lightning trains."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from relgen.data.samples import write_samples
from tests.tiny.encoders import SCHEMA, samples, save_encoder


@pytest.fixture
def obeys_ctrl_c() -> Iterator[None]:
    """This process and those that it starts obey SIGINT.

    A shell has its background processes ignore it, and so does Lightning once it has obeyed it.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")


@pytest.fixture
def files(tmp_path: Path) -> Path:
    SCHEMA.save(tmp_path / "schema.yaml")
    write_samples(tmp_path / "human.jsonl", samples(33))
    write_samples(tmp_path / "generated.jsonl", samples(15, source="generated", skip=33))
    write_samples(tmp_path / "test.jsonl", samples(10, source="test", skip=48))
    return tmp_path


@pytest.fixture
def encoder(tmp_path: Path) -> str:
    return save_encoder(tmp_path / "encoder")
