"""Fixtures of the tests of what Lightning trains."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tiny.encoders import save_encoder, save_files


@pytest.fixture
def obeys_ctrl_c() -> Iterator[None]:
    """This process and those that it starts obey SIGINT.

    A shell has its background processes ignore it, and so does Lightning once it has obeyed it.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    return save_files(tmp_path, human=33, generated=15, test=10)


@pytest.fixture
def encoder(tmp_path: Path) -> str:
    return save_encoder(tmp_path / "encoder")
