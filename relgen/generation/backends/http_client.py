"""An HTTP client that limits an answer's time and size, set up from the environment's variables."""

from __future__ import annotations

import asyncio
import os
import re
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import httpx2
import openai

from relgen.common import InputError

_PROXIES = re.compile("(https?|all)_proxy", re.IGNORECASE)


def bounded_client(seconds: float, size: int, connections: int) -> httpx2.AsyncClient:
    """Return an HTTP client that limits the time and the size of an answer, headers included.

    The time-outs of an HTTP client restart with each chunk, so that a server which trickles data
    never exceeds them, and the size is not limited at all. Here, exceeding either limit is a read
    error. Compressed answers, which grow without limit, are not asked for and not read.

    Raises InputError for an environment variable that names no proxy or no certificates.
    """
    _check_environment()

    async def bound(response: httpx2.Response) -> None:
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            raise httpx2.ReadError("a compressed answer, which was not asked for")
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        response.stream = _BoundedStream(response.stream, size)

    try:
        return _BoundedClient(
            headers={"Accept-Encoding": "identity"},
            timeout=httpx2.Timeout(seconds, pool=None),
            limits=httpx2.Limits(
                max_connections=connections, max_keepalive_connections=connections
            ),
            event_hooks={"response": [bound]},
        )
    except (ImportError, OSError, ValueError, httpx2.InvalidURL) as error:
        reason = "" if "://" in str(error) else f": {' '.join(str(error).split())[:200]}"
        raise InputError(
            f"no connection can be set up as the environment asks{reason}",
            field="HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY",
            remedy="correct or unset these variables",
        ) from None


def _check_environment() -> None:
    """Raise InputError for a variable that the client cannot use; no proxy's password is shown."""
    for variable, value in os.environ.items():
        if not value or not _PROXIES.fullmatch(variable):
            continue
        remedy = "correct it, such as http://proxy.example:3128, or unset it"
        with _names(variable, remedy):
            address = value if "://" in value else f"http://{value}"
            httpx2.Proxy(address)
            parts = urlsplit(address)
            if not parts.hostname or parts.port == 0:
                raise ValueError
    for variable in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        if path := os.environ.get(variable):
            with _names(variable, "correct it, or unset it", f"certificates, but {path!r}"):
                if variable == "SSL_CERT_DIR":
                    os.listdir(path)
                else:
                    ssl.create_default_context(cafile=path)


@contextmanager
def _names(variable: str, remedy: str, what: str = "the address of a proxy") -> Iterator[None]:
    """Turn what the block raises into an InputError about an environment variable."""
    try:
        yield
    except (httpx2.InvalidURL, OSError, ValueError) as error:
        reason = f": {error.strerror}" if isinstance(error, OSError) and error.strerror else ""
        problem = f"this environment variable does not name {what}{reason}"
        raise InputError(problem, field=variable, remedy=remedy) from None


class _BoundedClient(openai.DefaultAsyncHttpxClient):
    async def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        """Send a request and read its answer, in the time-out altogether."""
        seconds = self.timeout.read
        try:
            async with asyncio.timeout(seconds):
                return await super().send(request, **options)
        except TimeoutError:
            raise httpx2.ReadTimeout(f"an answer of more than {seconds:g} seconds") from None


class _BoundedStream(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream, most: int) -> None:
        self._stream = stream
        self._most = most

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for piece in self._stream:
            size += len(piece)
            if size > self._most:
                raise httpx2.ReadError(f"an answer of more than {self._most} bytes")
            yield piece

    async def aclose(self) -> None:
        await self._stream.aclose()
