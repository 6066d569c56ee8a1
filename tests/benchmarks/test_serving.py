"""The service's benchmark, on a tiny encoder: what it counts, and that it notices a loss."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from benchmarks import serving as benchmark
from relgen.data.corpora.everyday import read_split
from tests.tiny.encoders import save_encoder

pytest.importorskip("uvicorn", reason="needs the extra serve")
pytestmark = pytest.mark.processes


@pytest.mark.slow
def test_every_sentence_is_answered(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = benchmark.untrained(tmp_path / "model", save_encoder(tmp_path / "encoder"))
    out = tmp_path / "out.json"
    benchmark.main(["--model", model, "--clients", "1,4", "--requests", "40", "--json", str(out)])
    one, four = json.loads(out.read_text())["rows"]
    assert (one["clients"], one["lost"], one["batch"]) == (1, 0, 1.0)
    assert (four["clients"], four["lost"]) == (4, 0)
    assert 0 < one["p50_ms"] <= one["p99_ms"]
    assert "sentences/s" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("status", "answered", "right"),
    [
        (200, ("x", "a"), True),
        (200, ("x", "b"), False),
        (200, ("y", "a"), False),
        (503, None, False),
    ],
)
def test_a_wrong_answer_counts_as_lost(
    status: int, answered: tuple[str, str] | None, right: bool
) -> None:
    sample = read_split("test")[0]
    expected = {sample.id: "a"}
    content = {}
    if answered is not None:
        name = sample.id if answered[0] == "x" else "other"
        content = {"predictions": [{"id": name, "relation": answered[1]}]}
    answer = benchmark.Answer(0.1, status, json.dumps(content).encode())
    assert benchmark.is_right(sample, answer, expected) is right


def test_responses_are_read_to_their_end() -> None:
    async def asked() -> list[tuple[int, bytes]]:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            for status in (b"200 OK", b"503 Service Unavailable"):
                await reader.readuntil(b"\r\n\r\nbody")
                writer.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: 2\r\n\r\nhi")
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        place = server.sockets[0].getsockname()
        reader, writer = await asyncio.open_connection(*place)
        line = "POST /predict HTTP/1.1"
        found = [await benchmark.ask(reader, writer, line, b"body") for _ in range(2)]
        writer.close()
        server.close()
        return found

    assert asyncio.run(asked()) == [(200, b"hi"), (503, b"hi")]
