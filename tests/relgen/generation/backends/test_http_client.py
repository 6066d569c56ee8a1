"""The HTTP client: bounded answers, and variables of the environment that it cannot use."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx2
import pytest

from relgen.common.errors import InputError
from relgen.generation.backends.http_client import _BoundedStream, bounded_client


class Chunks(httpx2.AsyncByteStream):
    """Three chunks of four bytes."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b"abcd"


def read_chunks(most: int) -> list[bytes]:
    async def collect() -> list[bytes]:
        return [chunk async for chunk in _BoundedStream(Chunks(), most)]

    return asyncio.run(collect())


def test_an_answer_that_is_too_long_is_a_failed_read() -> None:
    assert read_chunks(12) == [b"abcd"] * 3
    with pytest.raises(httpx2.ReadError):
        read_chunks(11)


@pytest.mark.parametrize(
    ("variable", "value", "problem"),
    [
        ("HTTP_PROXY", "http://user:pw-secret@127.0.0.1:99999", "does not name the address of a"),
        ("https_proxy", "foo://user:pw-secret@x", "does not name the address of a proxy"),
        ("ALL_PROXY", "http://[::1", "does not name the address of a proxy"),
        ("HTTP_PROXY", "http://:3128", "does not name the address of a proxy"),
        (
            "SSL_CERT_FILE",
            "/nonexistent",
            "does not name certificates, but '/nonexistent': No such file",
        ),
        ("SSL_CERT_FILE", __file__, "does not name certificates"),
        (
            "SSL_CERT_DIR",
            "/nonexistent",
            "does not name certificates, but '/nonexistent': No such file",
        ),
    ],
)
def test_a_variable_that_cannot_be_used_is_named(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, problem: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(InputError) as caught:
        bounded_client(1.0, 100, 1)
    assert f"field '{variable}': this environment variable {problem}" in str(caught.value)
    assert "pw-secret" not in str(caught.value)


def test_a_proxy_that_can_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "user:pw@127.0.0.1:3128")
    asyncio.run(bounded_client(1.0, 100, 1).aclose())
