"""Generation on a server: the same rules, nothing lost and nothing counted twice, whatever it does.

Against real weights: `test_real_server`.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import threading
from collections.abc import AsyncIterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import httpx2
import pytest

from relgen.cli.main import main
from relgen.common.errors import InputError
from relgen.generation.backends import server as server_module
from relgen.generation.run import generate
from relgen.generation.settings import GenerationSettings
from tests.relgen.generation import loopback as lb
from tests.relgen.generation.conftest import Inputs
from tests.relgen.generation.loopback import loopback
from tests.waiting import wait_until

KEY = "sk-secret-of-the-test"
SERVER = {"retries": 3, "timeout": 20.0}


def settings(url: str, server: dict[str, Any] | None = None, **changes: Any) -> GenerationSettings:
    values = {"model": "served", "samples": 4, "chains": 2, "min_words": 1, **changes}
    return GenerationSettings(
        backend="openai", server={"base_url": url, **SERVER, **(server or {})}, **values
    )


def run(inputs: Inputs, out: Path, chosen: GenerationSettings) -> dict[str, Any]:
    out.mkdir(exist_ok=True)
    return generate(
        chosen, train=inputs.train, schema=inputs.schema, out=out / "generated.jsonl"
    ).summary


def contents(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = {
        name: (folder / name).read_bytes() for name in ("generated.jsonl", "rejected.jsonl")
    }
    found["summary"] = json.loads((folder / "generation.json").read_text())
    del found["summary"]["seconds"]
    return found


@pytest.fixture(scope="module")
def expected(inputs: Inputs, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The files of a run on a server that behaves."""
    folder = tmp_path_factory.mktemp("behaves")
    with loopback() as server:
        summary = run(inputs, folder, settings(server.url))
        assert set(server.asked.values()) == {1}
        assert summary["usage"]["answers"] == sum(server.asked.values())
    assert summary["accepted"] == 8
    assert sorted(path.name for path in folder.iterdir()) == [
        *("generated.jsonl", "generation.json", "rejected.jsonl")
    ]
    return contents(folder)


@pytest.mark.parametrize("fault", [*lb.FAULTS])
def test_a_misbehaving_server_changes_nothing(
    inputs: Inputs,
    expected: dict[str, Any],
    tmp_path: Path,
    fault: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("relgen.generation.backends.server.MAX_ANSWER_BYTES", 1 << 20)
    timeout = 1.5 if fault in ("trickle", "silent") else 20.0
    with loopback(lb.first_time(fault)) as server:
        run(inputs, tmp_path, settings(server.url, {"timeout": timeout}))
        assert set(server.asked.values()) == {2}
        assert set(server.answered.values()) == {1}
    found, usage = contents(tmp_path), dict(expected["summary"]["usage"])
    if fault in lb.UNUSABLE:  # each request got such an answer once
        usage["unusable_answers"] = usage["answers"]
    if fault == "paid for":
        usage["prompt_tokens"] *= 2
        usage["completion_tokens"] += 2 * usage["answers"]
    assert found == {**expected, "summary": {**expected["summary"], "usage": usage}}


def test_what_was_answered_is_not_asked_again(
    inputs: Inputs, expected: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The server fails for good in the middle of a round, is mended, and only the rest is asked."""
    broken = {"now": True}

    def after_three(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> bool:
        if not broken["now"] or sum(server.answered.values()) < 3:
            return False
        lb.send(handler, 500, {"error": {"message": f"no {KEY} here"}}, {"Retry-After": "0.01"})
        return True

    line = [
        *("generate", "--backend", "openai", "--model", "served", "--samples", "4"),
        *("--chains", "2", "--min-words", "1", "--server-retries", "1"),
        *("--server-concurrency", "1", "--train", str(inputs.train)),
        *("--schema", str(inputs.schema), "--out", str(tmp_path / "generated.jsonl")),
    ]
    with loopback(after_three) as server:
        line += ["--server-base-url", server.url]
        os.environ["OPENAI_API_KEY"] = KEY
        try:
            assert main(line) == 2
            said = capsys.readouterr().err
            assert "it answered 500" in said
            assert "3 answers are kept: run the same command again" in said
            assert len(said.strip().splitlines()) <= 2  # the warning about the grammar, the error
            broken["now"] = False
            assert main(line) == 0
        finally:
            del os.environ["OPENAI_API_KEY"]
        assert set(server.answered.values()) == {1}
        assert {h["authorization"] for h in server.headers} == {f"Bearer {KEY}"}
    assert contents(tmp_path) == expected
    everything = said + capsys.readouterr().out
    for path in tmp_path.rglob("*"):
        everything += path.read_text(encoding="utf-8")
    assert KEY not in everything


def test_an_interrupted_run_keeps_what_had_come(inputs: Inputs, tmp_path: Path) -> None:
    interrupted = threading.Event()

    def hang_after_two(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> bool:
        if sum(server.answered.values()) < 2:
            return False
        os.kill(os.getpid(), signal.SIGINT)
        interrupted.wait()
        return True

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with loopback(hang_after_two) as server:
            with pytest.raises(KeyboardInterrupt):
                run(inputs, tmp_path, settings(server.url, {"concurrency": 1}))
            interrupted.set()
            assert sum(server.answered.values()) == 2
            server.fault = None
            run(inputs, tmp_path, settings(server.url, {"concurrency": 1}))
            assert set(server.answered.values()) == {1}
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(
    ("budget", "first"),
    [
        ({"total_token_budget": 350}, 4),
        ({"cost_budget": 0.25, "price_prompt": 1000.0}, 3),
        ({"cost_budget": 0.0, "price_prompt": 1.0}, 0),
    ],
)
def test_a_budget_stops_the_run_and_a_larger_one_goes_on(
    inputs: Inputs, tmp_path: Path, expected: dict[str, Any], budget: dict[str, Any], first: int
) -> None:
    with loopback() as server:
        with pytest.raises(InputError, match="run the same command again with a larger one"):
            run(inputs, tmp_path, settings(server.url, {"concurrency": 1, **budget}))
        assert sum(server.answered.values()) == first
        more = {**budget, **{k: 1e9 for k in budget if k == "cost_budget"}}
        more = {**more, **{k: 10**9 for k in budget if k == "total_token_budget"}}
        summary = run(inputs, tmp_path, settings(server.url, more))
        assert set(server.answered.values()) == {1}
    answers = summary["usage"]["answers"]
    assert summary["usage"]["prompt_tokens"] == 100 * answers
    assert summary["usage"]["cost"] == pytest.approx(
        budget.get("price_prompt", 0) * 100 * answers / 1e6
    )
    found = contents(tmp_path)
    found["summary"]["usage"]["cost"] = 0.0
    assert found == expected


def test_answers_that_cannot_be_used_are_paid_for(inputs: Inputs, tmp_path: Path) -> None:
    """They count towards the budget, also after an interruption; 102 tokens each."""

    def useless(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> bool:
        lb.FAULTS["paid for"](handler, body)
        return True

    chosen = {"concurrency": 1, "retries": 9, "total_token_budget": 150}
    with loopback(useless) as server:
        for _ in range(2):
            with pytest.raises(InputError, match="after 0 answers and 2 unusable ones, 200 token"):
                run(inputs, tmp_path, settings(server.url, chosen))
            assert sum(server.asked.values()) == 2


def test_a_server_that_does_not_count_cannot_have_a_budget(inputs: Inputs, tmp_path: Path) -> None:
    def uncounted(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> bool:
        content = lb.answer(body, "x")
        del content["usage"]
        lb.send(handler, 200, content)
        return True

    budgets: list[tuple[dict[str, Any], dict[str, Any]]] = [
        ({"total_token_budget": 5}, {}),
        ({}, {"token_budget": 5}),
    ]
    with loopback(uncounted) as server:
        for number, (of_server, of_relation) in enumerate(budgets):
            chosen = settings(server.url, of_server, **of_relation)
            with pytest.raises(InputError, match="how many tokens an answer took"):
                run(inputs, tmp_path / str(number), chosen)


@pytest.mark.parametrize(
    ("status", "remedy"),
    [(401, "is the key in MY_KEY right"), (404, "are base_url"), (400, "do model, kind and api")],
)
def test_a_refusal_is_not_repeated(
    inputs: Inputs, tmp_path: Path, status: int, remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", KEY)

    def refuse(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> bool:
        lb.send(handler, status, {"error": {"message": f"wrong key {KEY}"}})
        return True

    chosen = {"api_key_variable": "MY_KEY", "concurrency": 1}
    with loopback(refuse) as server:
        with pytest.raises(InputError, match=remedy) as caught:
            run(inputs, tmp_path, settings(server.url, chosen))
        assert list(server.asked.values()) == [1]
    assert KEY not in str(caught.value)
    assert "wrong key ***" in str(caught.value)


def test_nobody_listens(inputs: Inputs, tmp_path: Path) -> None:
    with loopback() as server:
        url = server.url
    with pytest.raises(InputError, match="it cannot be reached"):
        run(inputs, tmp_path, settings(url, {"retries": 0}))


@pytest.mark.parametrize("concurrency", [1, 3])
def test_concurrency_is_bounded(inputs: Inputs, tmp_path: Path, concurrency: int) -> None:
    def hold(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> bool:
        """Answer nobody before as many ask at the same time as may."""
        wait_until(lambda: server.most_open >= concurrency)
        return False

    with loopback(hold) as server:
        run(inputs, tmp_path, settings(server.url, {"concurrency": concurrency}))
        assert server.most_open == concurrency


def test_the_grammar_is_checked_afterwards(inputs: Inputs, tmp_path: Path) -> None:
    texts = {
        0: 'Sure! Here you are: <head>a</head> and "<tail>b</tail>".',
        1: "<head>a</head> and a <tail>b</tail>\nand more",
        2: "no tags",
    }
    with loopback(write=lambda body: texts[body["seed"] % 3]) as server:
        chosen = {"samples": 3, "one_sentence": True}
        summary = run(inputs, tmp_path / "on", settings(server.url, **chosen))
        assert set(summary["rejected"]) == {"off_grammar", "no_head"}
        free = run(inputs, tmp_path / "off", settings(server.url, grammar=False, **chosen))
        assert "off_grammar" not in free["rejected"]
        assert free["accepted"] > 0


def test_requests_say_what_was_asked_for(inputs: Inputs, tmp_path: Path) -> None:
    with loopback() as server:
        run(inputs, tmp_path, settings(server.url, {"kind": "vllm"}, samples=1, chains=1))
        body = server.bodies[0]
    assert body["model"] == "served"
    assert (body["temperature"], body["top_p"], body["max_tokens"]) == (0.4, 0.9, 96)
    assert (body["top_k"], body["repetition_penalty"]) == (20, 1.15)
    assert body["structured_outputs"]["regex"].count("<head>") == 2
    system, user = body["messages"]
    assert system["role"] == "system"
    assert system["content"].startswith("You write training samples")
    assert user["content"].startswith("Target relation: ")
    assert user["content"].endswith(".\n")
    sample = json.loads((tmp_path / "generated.jsonl").read_text().splitlines()[0])
    assert sample["provenance"]["model"] == "served"
    assert sample["provenance"]["mean_token_logprob"] == -0.5


def test_raw_completions_are_the_prompts_of_tuning(inputs: Inputs, tmp_path: Path) -> None:
    from relgen.models.causal_lm import load_tokenizer
    from relgen.prompting.prompts import prompt_format

    chosen = {"api": "completions", "tokenizer": str(inputs.model), "kind": "llama.cpp"}
    with loopback() as server:
        run(inputs, tmp_path, settings(server.url, chosen, samples=1, chains=1))
        body = server.bodies[0]
    form = prompt_format(load_tokenizer(str(inputs.model)))
    assert body["prompt"].startswith(form.opening)
    assert body["prompt"].endswith(form.cue)
    assert body["grammar"].startswith("root ::= ")
    assert (body["repeat_penalty"], body["repeat_last_n"]) == (1.15, 16384)


class Chunks(httpx2.AsyncByteStream):
    """Three chunks of four bytes."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b"abcd"


def read_chunks(timeout: float) -> list[bytes]:
    async def collect() -> list[bytes]:
        return [chunk async for chunk in server_module._BoundedStream(Chunks(), timeout)]

    return asyncio.run(collect())


def test_an_answer_within_the_limits_passes() -> None:
    assert read_chunks(60.0) == [b"abcd"] * 3


def test_an_answer_that_is_too_long_or_too_slow_is_a_failed_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(httpx2.ReadTimeout):
        read_chunks(-1.0)
    monkeypatch.setattr(server_module, "MAX_ANSWER_BYTES", 11)
    with pytest.raises(httpx2.ReadError):
        read_chunks(60.0)
