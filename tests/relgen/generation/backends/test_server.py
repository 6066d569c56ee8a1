"""Generation on a server: the same rules, nothing lost and nothing counted twice, whatever it does.

Against real weights: `test_real_server`.
"""

from __future__ import annotations

import json
import math
import os
import signal
import threading
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

pytestmark = pytest.mark.compute

KEY = "sk-secret-of-the-test"
SERVER = {"retries": 3, "timeout": 20.0}


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "_LONGEST_PAUSE", 0.01)


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
) -> None:
    timeout = 0.5 if fault in lb.SLOW else 20.0
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
    shown = "its message, which repeats the key, is left out"
    assert (shown in str(caught.value)) == (status != 401)  # of a 401 no message is shown


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("http://127.0.0.1:99999/", "OverflowError: connect(): port must be 0-65535"),
        ("http://[::1", "Invalid URL in location header: Invalid port: ':1'"),
    ],
)
def test_a_redirect_to_nowhere_is_one_line(
    inputs: Inputs, tmp_path: Path, place: str, said: str
) -> None:
    def move(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> bool:
        lb.send(handler, 307, {}, {"Location": place})
        return True

    with loopback(move) as server, pytest.raises(InputError) as caught:
        run(inputs, tmp_path, settings(server.url, {"retries": 0, "concurrency": 1}))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


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


@pytest.mark.parametrize("fault", ["500", "no json", "cut"])
def test_a_request_is_sent_once_and_once_for_each_retry(
    inputs: Inputs, tmp_path: Path, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "_LONGEST_PAUSE", 0.01)

    def always(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> bool:
        lb.FAULTS[fault](handler, body)
        return True

    chosen = {"retries": 6, "concurrency": 1}
    with loopback(always) as server:
        with pytest.raises(InputError, match="the server failed"):
            run(inputs, tmp_path, settings(server.url, chosen))
        assert list(server.asked.values()) == [7]


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "1.5"}, 1.5),
        ({"Retry-After": "9", "Retry-After-Ms": "20"}, 0.02),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "-1"}, None),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "9" * 400}, math.inf),
        ({"Retry-After": "Thu, 01 Jan 1970 00:00:00 GMT"}, None),
    ],
)
def test_how_long_a_server_asks_to_wait(header: dict[str, str], seconds: float | None) -> None:
    assert server_module.retry_after(httpx2.Headers(header)) == seconds


@pytest.mark.parametrize("wait", ["121", "1e999", "inf", "1e308"])
@pytest.mark.parametrize("said", [{}, {"x-should-retry": "true"}])
def test_nobody_waits_longer_than_two_minutes(
    inputs: Inputs, tmp_path: Path, wait: str, said: dict[str, str]
) -> None:
    def later(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> bool:
        lb.send(handler, 429, {"error": {"message": "later"}}, {"Retry-After": wait, **said})
        return True

    with loopback(later) as server:
        with pytest.raises(
            InputError,
            match=r"it answered 429, and asks to wait for (121|inf|1e\+308) seconds: .*later",
        ):
            run(inputs, tmp_path, settings(server.url, {"concurrency": 1}))
        assert list(server.asked.values()) == [1]


TEXTS = {
    "a lone surrogate": ("The <head>\ud800lamp</head> lit the <tail>room</tail> up.", 0),
    "a control character": ("The <head>lamp</head> lit\x1b[31m the <tail>room</tail> up.", 0),
    "a line separator": ("The <head>lamp</head> lit\u2028 the <tail>room</tail> up.", 0),
    "an override": ("The <head>lamp</head> lit \u202ethe <tail>room</tail> up.", 0),
    "a deep text": ("[" * 5_000, 0),
    "an escaped line break": ("The <head>lamp</head> lit&#10;the <tail>room</tail> up.", 1),
    "zero-width marks": ("The <head>la\u200bmp</head> lit the\u200d <tail>room</tail> up.", 1),
}


@pytest.mark.parametrize("kind", [*TEXTS])
def test_no_text_ends_a_run(inputs: Inputs, tmp_path: Path, kind: str) -> None:
    """Nor does it poison the journal: a run that ends after an answer goes on from there."""
    text, accepted = TEXTS[kind]
    chosen = {"concurrency": 1, "total_token_budget": 1}
    with loopback(write=lambda body: text) as server:
        with pytest.raises(InputError, match="used up after"):
            run(inputs, tmp_path, settings(server.url, chosen, samples=1, chains=1))
        summary = run(inputs, tmp_path, settings(server.url, samples=1, chains=1))
    rows = [json.loads(x) for x in (tmp_path / "generated.jsonl").read_text().split("\n") if x]
    assert {row["text"] for row in rows} <= {"The lamp lit the room up."}
    assert (summary["accepted"] > 0) == bool(accepted)
    if not accepted:
        assert rows == []
        rejected = (tmp_path / "rejected.jsonl").read_bytes()
        assert json.loads(rejected.split(b"\n")[0])["raw"] == text
        assert b"\x1b" not in rejected


AROUND = {
    "reasoning": "<think>\nA <head>head</head> and a <tail>tail</tail> here.\n</think>\n\n{}",
    "reasoning whose beginning is in the prompt": "A <head>head</head>…\n</think>\n{}",
    "a preamble": "Sure! Here is a new sample:\n\n{}",
    "a fence": "```\n{}\n```",
    "a number, quotes and an emphasis": '**3. "{}"**',
    "its label": "**causes:** {}",
}


@pytest.mark.parametrize("around", [*AROUND])
def test_what_surrounds_a_sample_changes_nothing(
    inputs: Inputs, expected: dict[str, Any], tmp_path: Path, around: str
) -> None:
    form = AROUND[around]
    with loopback(write=lambda body: form.format(lb.sentence(body["seed"]))) as server:
        run(inputs, tmp_path, settings(server.url, relations=("causes",)))
    texts = [json.loads(x)["text"] for x in (tmp_path / "generated.jsonl").open()]
    same = [json.loads(x) for x in expected["generated.jsonl"].splitlines()]
    assert texts == [row["text"] for row in same if row["relation"] == "causes"]


@pytest.mark.parametrize("key", [f" {KEY}\n", f"{KEY}\r\n", f"\t{KEY}"])
def test_a_key_is_stripped(
    inputs: Inputs, tmp_path: Path, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with loopback() as server:
        run(inputs, tmp_path, settings(server.url, samples=1, chains=1))
        assert {h["authorization"] for h in server.headers} == {f"Bearer {KEY}"}


@pytest.mark.parametrize("form", ["{}", "{}."])
def test_an_answer_that_repeats_the_key_is_not_kept(
    inputs: Inputs, tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    write = lambda body: lb.sentence(body["seed"]) + form.format(KEY)  # noqa: E731
    with loopback(write=write) as server, pytest.raises(InputError, match="the server failed"):
        run(inputs, tmp_path, settings(server.url, {"retries": 0}))
    for path in tmp_path.rglob("*"):
        assert KEY not in path.read_text(encoding="utf-8")
