"""Limit the time and the size of a server's answers.

The read time-out of an HTTP client restarts with each chunk, so that a server which trickles data
never exceeds it, and the size is not limited at all. Here, exceeding either limit becomes a read
error, which the `openai` package treats as a lost connection and retries.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

import httpx2
import openai

MAX_ANSWER_BYTES = 16 * 2**20
"""Far more than a thousand tokens with their log-probabilities."""


def bounded_client(timeout: float, connections: int) -> httpx2.AsyncClient:
    """Return an HTTP client for the `openai` package.

    `timeout` seconds apply to connecting, between chunks, and to a whole answer once it starts.
    """

    async def bound(response: httpx2.Response) -> None:
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        response.stream = _BoundedStream(response.stream, timeout)

    return openai.DefaultAsyncHttpxClient(
        timeout=httpx2.Timeout(timeout, pool=None),
        limits=httpx2.Limits(max_connections=connections, max_keepalive_connections=connections),
        event_hooks={"response": [bound]},
    )


class _BoundedStream(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream, timeout: float) -> None:
        self._stream = stream
        self._timeout = timeout

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size, deadline = 0, time.monotonic() + self._timeout
        async for piece in self._stream:
            size += len(piece)
            if size > MAX_ANSWER_BYTES:
                raise httpx2.ReadError(f"an answer of more than {MAX_ANSWER_BYTES >> 20} MiB")
            if time.monotonic() > deadline:
                raise httpx2.ReadTimeout(f"an answer of more than {self._timeout:g} seconds")
            yield piece

    async def aclose(self) -> None:
        await self._stream.aclose()
