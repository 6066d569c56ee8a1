"""`relgen serve` as a process: it says where it is, answers, and stops without losing anything."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("uvicorn", reason="needs the extra serve")

from relgen.common.errors import InputError
from relgen.deployment.options import ServeOptions
from relgen.deployment.server import _say, serve

pytestmark = [pytest.mark.compute, pytest.mark.processes]
BODY = b'{"text": "the storm caused the flood .", "head": "storm", "tail": "flood"}'


@pytest.fixture
def process(folder: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "relgen.cli.main", "serve", str(folder), "--port", "0"]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def address(process: subprocess.Popen[str]) -> tuple[str, int]:
    assert process.stdout is not None
    said = process.stdout.readline()
    found = re.search(r"http://([\d.]+):(\d+)", said)
    assert found, (said, process.communicate())
    return found[1], int(found[2])


@pytest.mark.parametrize(
    "signum",
    [
        signal.SIGTERM,
        pytest.param(signal.SIGINT, marks=pytest.mark.slow),
        pytest.param(signal.SIGHUP, marks=pytest.mark.slow),
    ],
)
def test_it_answers_a_request_in_flight_and_stops(
    process: subprocess.Popen[str], signum: signal.Signals
) -> None:
    host, port = address(process)
    request = urllib.request.Request(f"http://{host}:{port}/predict", data=BODY)
    with urllib.request.urlopen(request) as answer:
        assert json.load(answer)["predictions"][0]["relation"] in ("cause", "part", "none")
    with socket.create_connection((host, port)) as client:
        head = f"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: {len(BODY)}\r\n\r\n"
        client.sendall(head.encode() + BODY[:10])
        # the server has read the beginning once it has answered something that came after it
        urllib.request.urlopen(f"http://{host}:{port}/health").close()
        process.send_signal(signum)
        assert process.stdout is not None
        client.sendall(BODY[10:])
        answer_text = b"".join(iter(lambda: client.recv(65536), b"")).decode()
    assert answer_text.startswith("HTTP/1.1 200 OK"), answer_text
    assert '"predictions":[{' in answer_text
    out, err = process.communicate()
    assert (process.returncode, out.splitlines()[-1], err) == (0, "stopped", "")


def test_an_address_in_use_is_one_line(folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=r"Address already in use .*0 takes a free one"):
            serve(ServeOptions(model=str(folder), port=port))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a disk that is full")
def test_a_full_disk_for_what_it_says_does_not_stop_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with open("/dev/full", "w", encoding="utf-8") as full:
        monkeypatch.setattr(sys, "stdout", full)
        _say("serving")
        _say("stopped")
