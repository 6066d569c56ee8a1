"""The benchmark runs whole on a tiny model: all sides write the same texts."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from benchmarks import generation, llama_cpp
from tests import tiny


@pytest.mark.slow
def test_the_sides_write_the_same_texts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "generation.json"
    model = tiny.save_writing_model(tmp_path / "model")
    options = ["--model", str(model), "--samples", "2", "--threads", "1"]
    options += ["--words", "1", "--max-new-tokens", "400"]
    generation.main([*options, "--sides", "cached,generate", "--json", str(out)])
    sides = json.loads(out.read_text(encoding="utf-8"))["K=2"]
    cached, generate = (sides[side][0] for side in ("cached", "generate"))
    assert cached["texts"] == generate["texts"]
    assert cached["drafted"] == generate["drafted"] > 0
    assert cached["read"] < generate["read"]
    assert 0 < cached["grammar_share"] < 1
    assert "generate" in capsys.readouterr().out


def test_other_texts_stop_it() -> None:
    found = {"cached": [{"texts": ["a"]}], "generate": [{"texts": ["b"]}]}
    with pytest.raises(RuntimeError, match="cached, generate do not write the same texts"):
        generation._check_texts(found)


def test_nothing_to_compare_stops_it() -> None:
    found = {"cached": [{"texts": []}], "generate": [{"texts": []}]}
    with pytest.raises(RuntimeError, match="nothing was accepted"):
        generation._check_texts(found)


SERVER = """#!{python}
import json, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.answer({{"status": "ok"}})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        assert body["temperature"] == 0 and "root ::=" in body["grammar"]
        # what llama.cpp's server refuses
        assert body["repeat_last_n"] >= 0
        text = "<head>Ann</head> knows <tail>Bob</tail> well."
        usage = {{"prompt_tokens": 40, "completion_tokens": 12}}
        choice = {{"index": 0, "text": text, "finish_reason": "stop"}}
        self.answer({{"choices": [choice], "usage": usage}})

    def answer(self, content):
        data = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass

given = dict(zip(sys.argv[1::2], sys.argv[2::2]))
assert given["--parallel"] == "8" and given["--threads"] == "1"
ThreadingHTTPServer(("127.0.0.1", int(given["--port"])), Handler).serve_forever()
"""


def executable(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
    return str(path)


@pytest.mark.slow
def test_a_server_of_llama_cpp_is_started_asked_and_stopped(tmp_path: Path) -> None:
    server = executable(tmp_path / "server", SERVER.format(python=sys.executable))
    out = tmp_path / "generation.json"
    model = str(tiny.save_writing_model(tmp_path / "model"))
    options = ["--model", model, "--samples", "2", "--threads", "1", "--sides", "llama.cpp"]
    generation.main([*options, "--llama-server", server, "--gguf", "x.gguf", "--json", str(out)])
    (row,) = json.loads(out.read_text(encoding="utf-8"))["K=2"]["llama.cpp"]
    # the answer is one that can be read, and there are eight relations
    assert row["accepted"] == 16
    assert row["drafted"] == 16 * 12
    assert row["peak_mb"] > 1
    processes = Path("/proc").glob("[0-9]*/cmdline")
    assert not any(server.encode() in _content(line) for line in processes)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # it has ended
        return b""


def test_a_server_that_ends_is_quoted(tmp_path: Path) -> None:
    server = executable(tmp_path / "server", "#!/bin/sh\necho no such model; exit 1\n")
    with (
        pytest.raises(RuntimeError, match="does not answer:\nno such model"),
        llama_cpp.running(server, "x.gguf", threads=1, slots=8, context=64),
    ):
        pass


@pytest.mark.parametrize("given", [["--gguf", "x"], ["--sides", "cached,llama.cpp"]])
def test_llama_cpp_wants_both_its_files(
    given: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        generation.main(given)
    assert "--llama-server and --gguf" in capsys.readouterr().err
