"""Real weights behind a real server: `transformers serve` on loopback, started by the test."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from relgen.data.corpora.everyday import read_split
from relgen.data.samples import write_samples
from relgen.data.schema import load_schema
from relgen.generation.run import generate
from relgen.generation.settings import GenerationSettings
from relgen.models.causal_lm import resolve_model
from tests.waiting import wait_until

MODEL = "smollm2-135m-instruct"
RELATIONS = [*load_schema("everyday").labels][:2]
pytestmark = [pytest.mark.slow, pytest.mark.weights, pytest.mark.processes]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    pytest.importorskip("fastapi", reason="needs transformers[serving]")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        *(sys.executable, "-m", "transformers.cli.transformers", "serve", resolve_model(MODEL)),
        *("--host", "127.0.0.1", "--port", str(port), "--device", "cpu", "--dtype", "float32"),
    ]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}
    process = subprocess.Popen(command, env=environment)
    try:
        wait_until(lambda: _answers(f"http://127.0.0.1:{port}/health"), process)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait()


def _answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize("api", ["chat", "completions"])
def test_the_server_writes_what_the_model_in_this_process_writes(
    url: str, tmp_path: Path, api: str
) -> None:
    """Greedy, without penalty and grammar, which it does not have: draft by draft the same text."""
    shared = {
        "samples": 2,
        "max_drafts_per_sample": 1,
        "temperature": 0.0,
        "repetition_penalty": 1.0,
        "grammar": False,
        "max_new_tokens": 16,
    }
    server = {"base_url": url, "api": api, "tokenizer": MODEL}
    chosen = {
        "here": GenerationSettings(model=MODEL, **shared),
        "there": GenerationSettings(
            backend="openai", model=resolve_model(MODEL), server=server, **shared
        ),
    }
    train = tmp_path / "train.jsonl"
    write_samples(train, [x for x in read_split("train") if x.relation in RELATIONS])
    raw = {}
    for name, settings in chosen.items():
        out = tmp_path / name / "generated.jsonl"
        summary = generate(settings, train=train, schema="everyday", out=out).summary
        rejected = (out.parent / "rejected.jsonl").read_text(encoding="utf-8").splitlines()
        accepted = out.read_text(encoding="utf-8").splitlines()
        raw[name] = [
            *(json.loads(line)["raw"] for line in rejected),
            *(json.loads(line)["text"] for line in accepted),
        ]
    assert raw["here"] == raw["there"]
    assert len(raw["here"]) == 4
    assert summary["usage"]["completion_tokens"] > 0
