"""A server on loopback that speaks OpenAI's protocol, and misbehaves as it is told."""

from __future__ import annotations

import gzip
import json
import random
import select
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

NOUNS = [f"{a}{b}" for a in ("stone", "river", "lamp", "cloud", "glass") for b in "abcdefghij"]


def sentence(seed: int) -> str:
    """A sample that depends on the request's seed alone."""
    words = random.Random(seed).sample(NOUNS, 7)
    return (
        f"The {words[0]} <head>{words[1]}</head> {words[2]} {words[3]} the "
        f"<tail>{words[4]}</tail> {words[5]} {words[6]}."
    )


Fault = Callable[[BaseHTTPRequestHandler, dict[str, Any]], bool]
"""Answers a request badly and returns True, or leaves it to the server."""


class Loopback(ThreadingHTTPServer):
    """A server that counts its requests.

    Args:
        fault: see `Fault`; None behaves well.
        write: from a request to the text that is answered.
    """

    daemon_threads = True

    def __init__(self, fault: Fault | None, write: Callable[[dict[str, Any]], str]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.fault = fault
        self.write = write
        self.lock = threading.Lock()
        self.asked: Counter[int] = Counter()
        self.answered: Counter[int] = Counter()
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.open = self.most_open = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def handle_error(self, *_: object) -> None:
        """Ignore clients that hang up."""


class _Handler(BaseHTTPRequestHandler):
    server: Loopback
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        server = self.server
        with server.lock:
            server.asked[body["seed"]] += 1
            server.bodies.append(body)
            server.headers.append({k.lower(): v for k, v in self.headers.items()})
            server.open += 1
            server.most_open = max(server.most_open, server.open)
        try:
            if server.fault is None or not server.fault(self, body):
                with server.lock:
                    server.answered[body["seed"]] += 1
                send(self, 200, answer(body, server.write(body), self.path))
        finally:
            with server.lock:
                server.open -= 1

    def log_message(self, *_: object) -> None:
        """Quiet."""


def answer(body: dict[str, Any], text: str, path: str = "/v1/chat/completions") -> dict[str, Any]:
    """Return what a server of the protocol sends."""
    tokens = text.split(" ")
    choice: dict[str, Any] = {"index": 0, "finish_reason": "stop"}
    if path.endswith("/chat/completions"):
        choice["message"] = {"role": "assistant", "content": text}
        if body.get("logprobs"):
            choice["logprobs"] = {"content": [{"token": t, "logprob": -0.5} for t in tokens]}
    else:
        choice["text"] = text
        if body.get("logprobs"):
            choice["logprobs"] = {"tokens": tokens, "token_logprobs": [-0.5] * len(tokens)}
    usage = {"prompt_tokens": 100, "completion_tokens": len(tokens), "total_tokens": 0}
    return {"id": "x", "object": "x", "created": 0, "choices": [choice], "usage": usage}


def send(
    handler: BaseHTTPRequestHandler,
    status: int,
    content: Any,
    headers: dict[str, str] | None = None,
) -> None:
    """Send a JSON answer; bytes are sent as they are."""
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    handler.send_response(status)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", str(len(data)))
    for name, value in (headers or {}).items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(data)


@contextmanager
def loopback(
    fault: Fault | None = None,
    write: Callable[[dict[str, Any]], str] = lambda body: sentence(body["seed"]),
) -> Iterator[Loopback]:
    """Run a server."""
    server = Loopback(fault, write)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _cut(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
    """Send half an answer, then close the connection."""
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", "5000")
    handler.end_headers()
    handler.wfile.write(json.dumps(answer(body, "half")).encode()[:40])
    handler.close_connection = True


def _endless(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
    """Send an answer without end."""
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    piece = b" " * 65536
    while True:
        handler.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")


def _trickle(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
    """Send an answer a byte at a time, without end."""
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    while True:
        handler.wfile.write(b"1\r\n \r\n")
        select.select([handler.connection], [], [], 0.05)


def _silent(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
    """Say nothing until the client hangs up."""
    handler.connection.recv(1)
    handler.close_connection = True


def _dripping(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
    """Send headers without end, a few bytes at a time."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        handler.wfile.write(b"X-A: b\r\n")
        select.select([handler.connection], [], [], 0.05)


def _go_on(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
    """Say without end that the request may go on."""
    while True:
        handler.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        select.select([handler.connection], [], [], 0.05)


def _counted(body: dict[str, Any], **usage: Any) -> dict[str, Any]:
    return {**answer(body, "x"), "choices": [], "usage": usage}


UNUSABLE = (
    *("no json", "no choices", "another shape", "paid for", "deep", "huge counts", "infinite"),
    *("a key twice", "other characters", "long text"),
)
"""The faults that are answers with the status 200, in whole."""
SLOW = ("trickle", "silent", "dripping headers", "100 without end")

FAULTS: dict[str, Callable[[BaseHTTPRequestHandler, dict[str, Any]], None]] = {
    "429": lambda h, b: send(h, 429, {"error": {"message": "slow down"}}, {"Retry-After": "0.01"}),
    "500": lambda h, b: send(h, 500, {"error": {"message": "oops"}}, {"Retry-After": "0.01"}),
    "503": lambda h, b: send(h, 503, b"<html>busy</html>", {"Retry-After": "0.01"}),
    "no json": lambda h, b: send(h, 200, b"{nothing"),
    "no choices": lambda h, b: send(h, 200, {"error": {"message": "out of memory"}}),
    "another shape": lambda h, b: send(h, 200, {"choices": [{"delta": "x"}]}),
    "paid for": lambda h, b: send(h, 200, {**answer(b, "x y"), "choices": [{"text": 7}]}),
    "deep": lambda h, b: send(h, 200, b'{"choices": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    "huge counts": lambda h, b: send(
        h, 200, _counted(b, prompt_tokens=10**400, completion_tokens=10**400)
    ),
    "infinite": lambda h, b: send(
        h, 200, b'{"choices": [], "usage": {"prompt_tokens": 1e999, "completion_tokens": NaN}}'
    ),
    "a key twice": lambda h, b: send(h, 200, b'{"choices": [], "choices": [{"text": "x"}]}'),
    "other characters": lambda h, b: send(h, 200, b'{"choices": "\xff\xfe"}'),
    "long text": lambda h, b: send(h, 200, {"choices": [{"message": {"content": "x" * 900_000}}]}),
    "gzip": lambda h, b: send(h, 200, gzip.compress(bytes(10**7)), {"Content-Encoding": "gzip"}),
    "dripping headers": _dripping,
    "100 without end": _go_on,
    "cut": _cut,
    "endless": _endless,
    "trickle": _trickle,
    "silent": _silent,
}


def first_time(name: str) -> Fault:
    """Let each request fail in this way when it comes for the first time."""
    seen: set[int] = set()
    lock = threading.Lock()

    def fault(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> bool:
        with lock:
            if body["seed"] in seen:
                return False
            seen.add(body["seed"])
        FAULTS[name](handler, body)
        return True

    return fault
