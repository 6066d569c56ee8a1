"""Limits on a server's answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx2
import pytest

from relgen.generation.backends import server_transport


class Chunks(httpx2.AsyncByteStream):
    """Three chunks of four bytes."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b"abcd"


def read(timeout: float) -> list[bytes]:
    async def collect() -> list[bytes]:
        return [chunk async for chunk in server_transport._BoundedStream(Chunks(), timeout)]

    return asyncio.run(collect())


def test_an_answer_within_the_limits_passes() -> None:
    assert read(60.0) == [b"abcd"] * 3


def test_an_answer_that_is_too_long_or_too_slow_is_a_failed_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(httpx2.ReadTimeout):
        read(-1.0)
    monkeypatch.setattr(server_transport, "MAX_ANSWER_BYTES", 11)
    with pytest.raises(httpx2.ReadError):
        read(60.0)
