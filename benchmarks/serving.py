"""Sentences a second and latencies of `relgen serve`, at several numbers of clients, none lost.

    python -m benchmarks.serving [--model FOLDER] [--clients 1,8,64]

Each client sends one sentence at a time, and the next one when it has the answer. Every answer must
name the sentence that was asked for and the relation that the classifier gives it in this process.
Server and clients share the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.harness import (
    Row,
    environment,
    parser,
    report,
    run_main,
    save,
    split_numbers,
)
from relgen.classifiers import EntityMarkerClassifier, load_classifier, save_classifier
from relgen.data import Sample, load_schema
from relgen.data.corpora import read_split
from relgen.models import EMBEDDED_ENCODER

COLUMNS = ("clients", "sentences/s", "p50 ms", "p99 ms", "sentences a batch", "lost")


Place = tuple[str, int]


class Answer(NamedTuple):
    """The seconds until a response, its status and its body."""

    seconds: float
    status: int
    body: bytes


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, and print the table.

    Raises:
        RuntimeError: a sentence was lost, or the server did not end well.
    """
    args = arguments(argv)
    samples = read_split("test")
    with tempfile.TemporaryDirectory() as folder:
        model = args.model or untrained(Path(folder) / "model")
        expected = {one.id: one.relation for one in load_classifier(model).predict_samples(samples)}
        with server(model) as place:
            asyncio.run(load(place, samples, 1, 50))  # warm
            rows = [
                measure(place, samples, clients, args.requests, expected)
                for clients in args.clients
            ]
    surroundings = environment(threads=args.threads, seed=args.seed)
    report("relgen serve", COLUMNS, [list(row.values()) for row in rows], surroundings)
    save(args.json, {"rows": rows, "environment": surroundings})
    if lost := sum(row["lost"] for row in rows):
        raise RuntimeError(f"{lost} sentences have no answer, or a wrong one")


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    made = parser(str(__doc__).splitlines()[0])
    made.add_argument("--model", help="a classifier's folder (MiniLM, untrained)")
    made.add_argument("--clients", type=split_numbers, default=[1, 8, 64], help="(1,8,64)")
    made.add_argument("--requests", type=int, default=2000, help="at each number of clients (2000)")
    return made.parse_args(argv)


def untrained(folder: Path, model: str = EMBEDDED_ENCODER) -> str:
    """Save a classifier of the everyday corpus's relations; what it has learnt costs no time."""
    save_classifier(EntityMarkerClassifier(load_schema("everyday"), model), folder)
    return str(folder)


@contextlib.contextmanager
def server(model: str) -> Iterator[Place]:
    """Run `relgen serve` on a free port; it must stop by itself, and well, when it is told to."""
    command = [sys.executable, "-m", "relgen.cli.main", "serve", model, "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        found = re.search(r"http://([\d.]+):(\d+)", process.stdout.readline())
        if found is None:
            raise RuntimeError("the server does not start; its message stands above")
        yield found[1], int(found[2])
        process.terminate()
        if process.wait() != 0:
            raise RuntimeError(f"the server ended with {process.returncode}")
    finally:
        process.kill()
        process.wait()


def measure(
    place: Place,
    samples: Sequence[Sample],
    clients: int,
    requests: int,
    expected: dict[str, str],
) -> Row:
    """Return the figures of one number of clients."""
    before = asyncio.run(batches(place))
    began = time.perf_counter()
    answers = asyncio.run(load(place, samples, clients, requests))
    seconds = time.perf_counter() - began
    after = asyncio.run(batches(place))
    times = sorted(answer.seconds * 1000 for _, answer in answers)
    right = sum(is_right(sample, answer, expected) for sample, answer in answers)
    return {
        "clients": clients,
        "sentences_per_second": requests / seconds,
        "p50_ms": times[len(times) // 2],
        "p99_ms": times[int(len(times) * 0.99)],
        "batch": (after[1] - before[1]) / (after[0] - before[0]),
        "lost": requests - right,
    }


def is_right(sample: Sample, answer: Answer, expected: dict[str, str]) -> bool:
    """Return whether an answer is the one to this sentence."""
    if answer.status != 200:
        return False
    (found,) = json.loads(answer.body)["predictions"]
    return (found["id"], found["relation"]) == (sample.id, expected[sample.id])


async def load(
    place: Place, samples: Sequence[Sample], clients: int, requests: int
) -> list[tuple[Sample, Answer]]:
    """Send the sentences again and again, from several clients at once; return all answers."""
    rest = iter([samples[number % len(samples)] for number in range(requests)])
    answers: list[tuple[Sample, Answer]] = []

    async def client() -> None:
        reader, writer = await asyncio.open_connection(*place)
        # shared by all clients: each takes the next one
        for sample in rest:
            body = json.dumps(sample.to_json()).encode()
            began = time.perf_counter()
            status, content = await ask(reader, writer, "POST /predict HTTP/1.1", body)
            answers.append((sample, Answer(time.perf_counter() - began, status, content)))
        writer.close()

    await asyncio.gather(*(client() for _ in range(clients)))
    return answers


async def batches(place: Place) -> tuple[float, float]:
    """Return the server's numbers of batches and of sentences in them so far."""
    reader, writer = await asyncio.open_connection(*place)
    _, content = await ask(reader, writer, "GET /metrics HTTP/1.1", b"")
    writer.close()
    figures = dict(
        line.split() for line in content.decode().splitlines() if not line.startswith("#")
    )
    count, total = (figures[f"relgen_batch_sentences_{name}"] for name in ("count", "sum"))
    return float(count), float(total)


async def ask(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, line: str, body: bytes
) -> tuple[int, bytes]:
    """Send one request on an open connection; return the status and the body of the response.

    A client library would take more time than the server.
    """
    writer.write(f"{line}\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    found = re.search(r"content-length: (\d+)", head)
    return int(head.split()[1]), await reader.readexactly(int(found[1]) if found else 0)


if __name__ == "__main__":
    run_main(main)
