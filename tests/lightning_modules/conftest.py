"""Fixtures of the tests of what Lightning trains."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest


@pytest.fixture
def obeys_ctrl_c() -> Iterator[None]:
    """This process and those that it starts obey SIGINT.

    A shell has its background processes ignore it, and so does Lightning once it has obeyed it.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
