"""A whole review: files in, page or tool, files out."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from relgen.common.errors import InputError
from relgen.common.locks import locked
from relgen.data.samples import UNLABELLED, iter_samples, read_samples, write_samples
from relgen.review.options import ReviewOptions
from relgen.review.run import read_reviewable, review

from .people import SAMPLES, SCHEMA, sample
from .test_results import label_studio, write

pytestmark = pytest.mark.processes


@pytest.fixture
def given(tmp_path: Path) -> Path:
    SCHEMA.save(tmp_path / "schema.yaml")
    write_samples(tmp_path / "generated.jsonl", SAMPLES)
    return tmp_path / "generated.jsonl"


class Running:
    """`relgen review` as a process, and a person at its page."""

    def __init__(self, samples: Path) -> None:
        self.samples = samples
        line = ["review", str(samples), "--out", str(samples.with_name("reviewed.jsonl"))]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "relgen.cli.main", *line, "--port", "0"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ},
        )
        assert self.process.stdout is not None
        said = self.process.stdout.readline()
        found = re.search(r"review at (http://127\.0\.0\.1:\d+);", said)
        assert found, (said, self.process.communicate())
        self.place = found[1]

    def state(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self.place}/state?reviewer=ann") as answer:
            return json.load(answer)

    def decide(self, **changes: Any) -> None:
        shown = self.state()["sample"]
        kept = {key: shown[key] for key in ("id", "relation", "head", "tail")}
        body = {"reviewer": "ann", "accepted": True, "seconds": 3, **kept, **changes}
        request = urllib.request.Request(
            f"{self.place}/decide", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        urllib.request.urlopen(request).close()

    def undo(self) -> None:
        body = json.dumps({"reviewer": "ann"}).encode()
        request = urllib.request.Request(
            f"{self.place}/undo", body, {"Content-Type": "application/json"}
        )
        urllib.request.urlopen(request).close()

    def stop(self, signum: signal.Signals) -> tuple[int, str, str]:
        self.process.send_signal(signum)
        out, err = self.process.communicate()
        return self.process.returncode, out, err


@pytest.fixture
def running(given: Path) -> Iterator[Any]:
    made: list[Running] = []

    def start() -> Running:
        made.append(Running(given))
        return made[-1]

    yield start
    for each in made:
        each.process.kill()
        each.process.communicate()


def test_killed_it_goes_on_and_stopped_it_writes(given: Path, running: Any) -> None:
    pytest.importorskip("uvicorn", reason="needs the extra serve")
    first = running()
    first.decide(relation="lives_in")
    first.decide(accepted=False)
    first.stop(signal.SIGKILL)
    out = given.with_name("reviewed.jsonl")
    assert not out.exists()
    second = running()
    assert second.state()["progress"]["kinds"] == {"changed": 1, "rejected": 1}
    assert second.state()["sample"]["id"] == "sure"
    second.decide()
    code, said, err = second.stop(signal.SIGTERM)
    assert (code, err) == (0, "")
    assert said.splitlines() == [
        "3 of 4 sentences reviewed in 0.1 minutes: 1 accepted, 1 changed, 1 rejected (by ann 3)",
        f"4 samples (1 not reviewed, 1 rejected) -> {out}",
    ]
    assert [(one.id, one.relation, bool(one.review)) for one in read_samples(out)] == [
        ("sure", "founded_by", True),
        ("torn", "lives_in", True),
        ("unread", "founded_by", False),
    ]
    (no,) = (one for one in iter_samples(out, rejected=True) if one.rejected)
    assert (no.id, no.review["reviewer"]) == ("unsure", "ann")
    assert sorted(path.name for path in given.parent.iterdir()) == [
        ".reviewed.jsonl.written",
        "generated.jsonl",
        "reviewed.jsonl",
        "reviewed.log.jsonl",
        "schema.yaml",
    ]


def test_without_a_decision_nothing_is_written(given: Path, running: Any) -> None:
    pytest.importorskip("uvicorn", reason="needs the extra serve")
    out = given.with_name("reviewed.jsonl")
    nothing = f"nothing is decided, and {out} not written; the same command goes on\n"
    first = running()
    first.state()  # it answers, and so it has taken over the signals
    assert first.stop(signal.SIGINT) == (0, nothing, "")
    assert not out.exists()
    second = running()
    second.decide()
    second.stop(signal.SIGTERM)
    assert out.exists()
    third = running()
    third.undo()
    # what an earlier end of the review has written is of a decision that was taken back
    assert third.stop(signal.SIGTERM) == (0, nothing, "")
    assert not out.exists()


def options(given: Path, **others: Any) -> ReviewOptions:
    named = {"samples": str(given), "out": str(given.with_name("reviewed.jsonl")), **others}
    return ReviewOptions(**named)


def test_tasks_go_out_and_results_come_back(given: Path, capsys: Any) -> None:
    tasks = given.with_name("tasks.json")
    review(options(given, export="label-studio", out=str(tasks)))
    assert json.loads(tasks.read_text())[0]["data"]["relgen_id"] == "torn"
    export = write(given.with_name("export.json"), label_studio()[:4])
    review(options(given, results=str(export), schema=str(given.with_name("schema.yaml"))))
    assert (
        capsys.readouterr()
        .out.splitlines()[-2]
        .startswith("4 of 4 sentences reviewed in 0.1 minutes: 1 accepted, 2 changed, 1 rejected")
    )
    reviewed = read_samples(given.with_name("reviewed.jsonl"))
    assert [one.review["decision"] for one in reviewed] == ["accepted", "changed", "changed"]


def test_refused_results_leave_no_files(given: Path) -> None:
    before = sorted(given.parent.iterdir())
    export = write(given.with_name("export.json"), label_studio())
    write_samples(given, [replace(SAMPLES[0], id="long"), *SAMPLES])
    with pytest.raises(InputError, match="record long: field 'text': the text differs"):
        review(options(given, results=str(export)))
    assert sorted(given.parent.iterdir()) == sorted([*before, export])


def test_relations_are_those_of_the_file_or_of_the_schema(given: Path) -> None:
    schema, samples, guesses = read_reviewable(given, None)
    assert (schema.labels, samples) == (("founded_by", "lives_in", "none"), SAMPLES)
    schema, *_ = read_reviewable(given, str(given.with_name("schema.yaml")))
    assert (schema, guesses) == (SCHEMA, {})


def test_what_relgen_suggest_guessed_is_shown(tmp_path: Path) -> None:
    bare = {"relation": None, "guess": "lives_in", "probability": 0.4}
    wrong = {"guess": "none", "probability": 0.7, "given_probability": 0.2}
    rows = [{**sample("a").to_json(), **bare}, {**sample("b").to_json(), **wrong}]
    path = write(tmp_path / "suggested.jsonl", rows, lines=True)
    schema, samples, guesses = read_reviewable(path, None)
    assert guesses == {"a": {"lives_in": 0.4}, "b": {"founded_by": 0.2, "none": 0.7}}
    assert schema.labels == ("lives_in", "founded_by", "none")
    # it is nobody's label, and stays out of what is written
    assert [(one.relation, one.scores) for one in samples] == [
        (UNLABELLED, None),
        ("founded_by", None),
    ]


@pytest.mark.parametrize(
    ("row", "schema", "problem"),
    [
        (sample("x", relation=UNLABELLED), None, "name no relation; give the relations"),
        (sample("x", 0.1, 0.9, 0.0), None, r"g\.jsonl: field 'relation of x': the most probable"),
        (sample("x", relation="born_in"), "s", "not a relation of schema 's'"),
    ],
)
def test_samples_that_cannot_be_reviewed(
    tmp_path: Path, row: Any, schema: str | None, problem: str
) -> None:
    SCHEMA.save(tmp_path / "s.yaml")
    write_samples(tmp_path / "g.jsonl", [row])
    with pytest.raises(InputError, match=problem):
        read_reviewable(tmp_path / "g.jsonl", str(tmp_path / "s.yaml") if schema else None)


def test_what_is_refused_before_anything_is_opened(given: Path) -> None:
    with pytest.raises(InputError, match="this is an input of the command"):
        review(options(given, out=str(given)))
    with pytest.raises(InputError, match="not with --export"):
        review(options(given, export="prodigy", results=str(given)))
    with (
        locked(given.parent / "reviewed.jsonl", beside=True),
        pytest.raises(InputError, match="another relgen command"),
    ):
        # the lock is another process's as far as this thread can tell
        _in_a_thread(lambda: review(options(given)))


def _in_a_thread(work: Any) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        pool.submit(work).result()


def test_files_of_others_are_not_written_over(given: Path) -> None:
    out, log = given.with_name("reviewed.jsonl"), given.with_name("reviewed.log.jsonl")
    out.write_text("mine\n")
    with pytest.raises(InputError, match="has not written it; give another --out"):
        review(options(given))
    assert out.read_text() == "mine\n"
    assert not log.exists()
    out.unlink()
    results = str(write(given.with_name("export.json"), label_studio()[:4]))
    review(options(given, results=results))
    written = out.read_text()
    review(options(given, results=results))
    assert out.read_text() == written
    for mine in (f"{written}mine\n", "mine\n"):
        out.write_text(mine)
        with pytest.raises(InputError, match=rf"not written it, as it is now; move it: .* {log}"):
            review(options(given, results=results))
        assert out.read_text() == mine


def test_nothing_decided_leaves_files_of_others(given: Path, running: Any) -> None:
    pytest.importorskip("uvicorn", reason="needs the extra serve")
    out, first = given.with_name("reviewed.jsonl"), running()
    first.state()
    out.write_text("mine\n")
    code, _, err = first.stop(signal.SIGTERM)
    assert (code, out.read_text()) == (2, "mine\n")
    assert "reviewed.jsonl: this file would be overwritten" in err
    with pytest.raises(InputError, match="has not written it; move it: what was decided stays"):
        review(options(given))
    assert out.read_text() == "mine\n"


def test_a_sample_more_or_less_leaves_the_other_decisions(given: Path, capsys: Any) -> None:
    review(options(given, results=str(write(given.with_name("a.json"), label_studio()[:2]))))
    write_samples(given, [replace(SAMPLES[0], id="new"), *SAMPLES[1:]])
    capsys.readouterr()
    rows = [{**one, "project": 2} for one in label_studio()[2:3]]
    review(options(given, results=str(write(given.with_name("b.json"), rows))))
    said = f"1 decision is not of samples in {given}, and left out here\n"
    assert capsys.readouterr().err == f"warning: {given.with_name('reviewed.log.jsonl')}: {said}"
    reviewed = read_samples(given.with_name("reviewed.jsonl"))
    assert [(one.id, bool(one.review)) for one in reviewed] == [
        ("new", False),
        ("torn", True),
        ("unsure", True),
        ("unread", False),
    ]
