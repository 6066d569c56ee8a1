"""llama.cpp's server, as a side of `benchmarks.generation`.

The server is built from llama.cpp's source, which its Python package `llama-cpp-python` carries
(target `llama-server`), and reads a GGUF file (`convert_hf_to_gguf.py`, there as well).
"""

from __future__ import annotations

import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import IO

from relgen.generation import GenerationSettings, ServerSettings

_PATIENCE = 120.0
"""Seconds until the server must answer."""


@contextmanager
def running(
    executable: str, gguf: str, *, threads: int, slots: int, context: int
) -> Iterator[tuple[str, int]]:
    """Run a server on a free port of this machine, and stop it at the end.

    Args:
        executable: `llama-server`.
        gguf: the model's file.
        threads: that it computes with.
        slots: prompts that it keeps, and answers at the same time.
        context: tokens of each slot.

    Yields:
        Its address, up to and with /v1, and its process id.

    Raises:
        RuntimeError: it ends, or does not answer in time; the message holds its last output.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        *(executable, "--model", gguf, "--host", "127.0.0.1", "--port", str(port)),
        *("--threads", str(threads), "--threads-batch", str(threads)),
        *("--parallel", str(slots), "--ctx-size", str(slots * context)),
    ]
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        try:
            _wait(process, f"http://127.0.0.1:{port}/health", log)
            yield f"http://127.0.0.1:{port}/v1", process.pid
        finally:
            process.terminate()
            process.wait(timeout=_PATIENCE)


def served(settings: GenerationSettings, url: str, tokenizer: str) -> GenerationSettings:
    """Return the settings for the server: prompts as relgen writes them, the grammar as GBNF."""
    server = ServerSettings(base_url=url, kind="llama.cpp", api="completions", tokenizer=tokenizer)
    return replace(settings, backend="openai", server=server)


def _wait(process: subprocess.Popen[bytes], url: str, log: IO[str]) -> None:
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            urllib.request.urlopen(url, timeout=1)
            return
        except (urllib.error.URLError, OSError):
            pass
        if process.poll() is not None or time.monotonic() > deadline:
            log.seek(0)
            said = "\n".join(log.read().splitlines()[-8:])
            raise RuntimeError(f"llama.cpp's server does not answer:\n{said}")
        time.sleep(0.2)
