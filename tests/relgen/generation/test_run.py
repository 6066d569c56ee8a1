"""A whole generation with a tiny model: its files, and going on after a kill at any moment."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from relgen.cli.main import main
from relgen.common.errors import InputError
from relgen.common.progress import LISTENER
from relgen.data.samples import Sample, read_samples, write_samples
from relgen.data.schema import load_schema
from relgen.data.tagged_text import parse
from relgen.generation import run as run_module
from relgen.generation.backends import loading
from relgen.generation.backends.base import Draft, DraftRequest
from relgen.generation.backends.loading import Engine
from relgen.generation.loop import RoundResult
from relgen.generation.run import generate
from relgen.generation.settings import GenerationSettings
from relgen.generation.states import RelationState
from relgen.prompting.fields import render_fields
from relgen.prompting.prompts import PLAIN, Prompt
from tests import tiny
from tests.relgen.generation.conftest import Inputs
from tests.waiting import wait_until

pytestmark = pytest.mark.compute

FILES = ("generated.jsonl", "rejected.jsonl", "generation.json")


def settings(inputs: Inputs, **changes: Any) -> GenerationSettings:
    values = {
        "model": str(inputs.model),
        "samples": 4,
        "temperature": 1.2,
        "max_new_tokens": 60,
        "min_words": 1,
        "max_entity_chars": 6,
        "max_entity_words": 1,
        "max_context_chars": 10,
        "other_scripts": "accept",
        "max_drafts_per_sample": 3,
        **changes,
    }
    return GenerationSettings(**values)


def run(inputs: Inputs, out: Path, chosen: GenerationSettings, **options: Any) -> dict[str, Any]:
    report = generate(
        chosen, train=inputs.train, schema=inputs.schema, out=out / "generated.jsonl", **options
    )
    return report.summary


def contents(folder: Path) -> dict[str, Any]:
    """The final files; the summary without the time that it took."""
    found: dict[str, Any] = {name: (folder / name).read_bytes() for name in FILES}
    found["generation.json"] = json.loads(found["generation.json"])
    del found["generation.json"]["seconds"]
    return found


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"chains": 2, "candidates": 2},
        {"window": 1, "batch": 1},
        {"mode": "aao", "per_answer": 3, "chains": 2, "shown": 2, "seed": 5},
        {"one_sentence": True, "max_context_words": 2, "types": True, "max_new_tokens": 300},
    ],
    ids=["obo", "chains", "window", "aao", "types"],
)
def test_files(inputs: Inputs, tmp_path: Path, changes: dict[str, Any]) -> None:
    chosen = settings(inputs, **changes)
    summary = run(inputs, tmp_path, chosen)
    samples = read_samples(tmp_path / "generated.jsonl", schema=load_schema(inputs.schema))
    rejected = rows(tmp_path / "rejected.jsonl")
    assert summary["accepted"] == len(samples) > 0
    assert sum(summary["rejected"].values()) == len(rejected)
    assert {sample.source for sample in samples} == {"generated"}
    for entry in summary["relations"].values():
        assert entry["accepted"] <= entry["wanted"] == 4
        assert entry["drafts"] == entry["accepted"] + sum(entry["rejected"].values())
        assert entry["accepted"] == 4 or entry["drafts"] >= 4 * 3 * chosen.candidates
    for row in rejected:
        assert set(row) == {"relation", "mode", "chain", "step", "reason", "raw"}
        if row["reason"] != "unfinished":
            parse(row["raw"])
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(FILES)


def test_provenance(inputs: Inputs, tmp_path: Path) -> None:
    from datasets import disable_progress_bars

    from relgen.data.parquet import PROVENANCE

    disable_progress_bars()
    run(inputs, tmp_path, settings(inputs, seed=7))
    first = rows(tmp_path / "generated.jsonl")[0]
    # what a sample was meant for is its relation, until `relgen label` gives it another
    assert set(first["provenance"]) == set(PROVENANCE) - {"intended"}
    assert first["provenance"]["model"] == str(inputs.model)
    assert (first["provenance"]["mode"], first["provenance"]["seed"]) == ("obo", 7)
    assert first["provenance"]["mean_token_logprob"] < 0
    assert first["id"].startswith(f"{first['relation']}-obo-s7-0-")


@pytest.mark.parametrize(
    "changes",
    [{}, {"mode": "aao", "per_answer": 2}, {"chains": 2, "window": 1, "batch": 2}],
    ids=["obo", "aao", "chains"],
)
def test_goes_on_from_any_point(inputs: Inputs, tmp_path: Path, changes: dict[str, Any]) -> None:
    chosen = settings(inputs, samples=3, **changes)
    whole = tmp_path / "whole"
    whole.mkdir()
    journal = whole / ".generated.jsonl.journal.jsonl"
    kept = tmp_path / "journal"
    journal.touch()
    os.link(journal, kept)  # the journal is removed at the end; the link stays
    run(inputs, whole, chosen)
    recorded = kept.read_bytes()
    ends = [i + 1 for i, byte in enumerate(recorded) if byte == ord("\n")]
    assert len(ends) > 3
    # nothing but the header, torn lines, somewhere in the middle, all but the end
    for number, end in enumerate([ends[0], ends[1] - 1, ends[2] + 17, ends[-2], ends[-1]]):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / journal.name).write_bytes(recorded[:end])
        run(inputs, folder, chosen)
        assert contents(folder) == contents(whole)


def _options(chosen: GenerationSettings) -> list[str]:
    """The command line's options for the settings that are not the defaults."""
    words = []
    for field in fields(chosen):
        value = getattr(chosen, field.name)
        if value != field.default and field.name != "model":
            words.append("--" + field.name.replace("_", "-"))
            words += [] if value is True else [str(value)]
    return words


def _start(inputs: Inputs, out: Path, options: Sequence[str]) -> subprocess.Popen[str]:
    # tests that run in the background of a shell inherit that Ctrl-C is ignored
    script = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from relgen.cli.main import main; sys.exit(main())"
    )
    command = [
        *(sys.executable, "-c", script),
        *("generate", "--model", str(inputs.model), "--train", str(inputs.train)),
        *("--schema", str(inputs.schema), "--out", str(out / "generated.jsonl"), *options),
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def _stop(process: subprocess.Popen[str], journal: Path, lines: int, signum: int) -> int:
    """Sends the signal once the journal has so many lines; the exit code."""
    wait_until(lambda: journal.exists() and journal.read_bytes().count(b"\n") >= lines, process)
    process.send_signal(signum)
    process.communicate()
    return process.returncode


@pytest.mark.slow
@pytest.mark.processes
def test_killed_and_interrupted_processes_go_on(inputs: Inputs, tmp_path: Path) -> None:
    # many rounds: the process must not be done before it is stopped for the second time
    chosen = settings(inputs, samples=20, window=1, max_drafts_per_sample=2)
    options = _options(chosen)
    killed, journal = tmp_path / "killed", tmp_path / "killed" / ".generated.jsonl.journal.jsonl"
    assert _stop(_start(inputs, killed, options), journal, 4, signal.SIGKILL) == -signal.SIGKILL
    assert _stop(_start(inputs, killed, options), journal, 10, signal.SIGINT) == 130
    assert not (killed / "generated.jsonl").exists()
    assert journal.read_bytes().count(b"\n") >= 10
    run(inputs, killed, chosen)
    run(inputs, tmp_path / "whole", chosen)
    assert contents(killed) == contents(tmp_path / "whole")


def test_the_command_says_where_its_output_is(
    inputs: Inputs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "generated.jsonl"
    line = [
        *("generate", "-c", "smollm2_obo", "--model", str(inputs.model), "--train"),
        *(str(inputs.train), "--schema", str(inputs.schema), "--out", str(out)),
        *("--samples", "1", "--max-drafts-per-sample", "1", "--max-new-tokens", "2"),
    ]
    assert main(line) == 0
    said = capsys.readouterr()
    assert said.out.startswith("0 of 2 samples; rejected: 2 unfinished; 4 tokens in ")
    assert said.out.endswith(f" -> {out}\n")
    assert "warning: too few samples of " in said.err
    assert "(0 of 1): most rejected drafts are unfinished; raise --max-new-tokens\n" in said.err
    assert main(line) == 0
    assert capsys.readouterr().out == (
        f"finished already, with the same settings and inputs -> {out}\n"
    )
    assert main([*line, "--seed", "x"]) == 2
    assert "field '--seed': must be a whole number (got 'x')" in capsys.readouterr().err


def test_a_language_that_the_model_does_not_know_is_warned_of(
    inputs: Inputs,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def advice(tokenizer: Any, samples: Sequence[Sample], *, model: str) -> str:
        assert (len(tokenizer("a")["input_ids"]), model) == (1, str(inputs.model))
        return f"{len(samples)} samples"

    monkeypatch.setattr(run_module, "unknown_language", advice)
    run(inputs, tmp_path, settings(inputs, samples=1))
    number = len(read_samples(inputs.train))
    assert capsys.readouterr().err.count(f"warning: {number} samples\n") == 1


def test_finished_output_is_left_alone(
    inputs: Inputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = settings(inputs, samples=2)
    run(inputs, tmp_path, chosen)
    before = {name: (tmp_path / name).stat().st_mtime_ns for name in FILES}

    def no_model(*_: object) -> Any:
        raise AssertionError("the model is not needed")

    options = {"train": inputs.train, "schema": inputs.schema, "out": tmp_path / "generated.jsonl"}
    monkeypatch.setattr(loading, "find_engine", no_model)
    assert generate(chosen, **options).already_finished
    assert {name: (tmp_path / name).stat().st_mtime_ns for name in FILES} == before
    other = settings(inputs, samples=2, seed=9)
    with pytest.raises(InputError, match="--force"):
        generate(other, **options)
    monkeypatch.undo()
    assert not generate(other, force=True, **options).already_finished
    monkeypatch.setattr(loading, "find_engine", no_model)
    assert generate(other, force=True, **options).already_finished


def test_a_journal_of_other_settings_is_refused(inputs: Inputs, tmp_path: Path) -> None:
    journal = tmp_path / ".generated.jsonl.journal.jsonl"
    begun = '{"header": "other"}\n{"drafts": [], "seconds": 0.0, "usage": [0, 0, 0, 0]}\n'
    journal.write_text(begun)
    with pytest.raises(InputError, match="--force"):
        run(inputs, tmp_path, settings(inputs, samples=1))
    assert journal.read_text() == begun
    assert run(inputs, tmp_path, settings(inputs, samples=1), force=True)["tokens"] > 0


def test_what_may_not_be_written_is_not(inputs: Inputs, tmp_path: Path) -> None:
    free = settings(inputs, samples=2, max_drafts_per_sample=8)
    run(inputs, tmp_path / "free", free)
    forbidden = read_samples(tmp_path / "free" / "generated.jsonl")
    write_samples(tmp_path / "test.jsonl", forbidden)
    summary = run(inputs, tmp_path / "kept", free, forbid=tmp_path / "test.jsonl")
    texts = {row["text"] for row in rows(tmp_path / "kept" / "generated.jsonl")}
    assert summary["rejected"]["test_leak"] > 0
    assert not texts & {sample.text for sample in forbidden}


def test_token_budget(inputs: Inputs, tmp_path: Path) -> None:
    summary = run(inputs, tmp_path, settings(inputs, samples=30, token_budget=100))
    for entry in summary["relations"].values():
        assert entry["tokens"] == 100
        assert entry["accepted"] < 30


def test_without_a_grammar_nothing_raises(inputs: Inputs, tmp_path: Path) -> None:
    summary = run(inputs, tmp_path, settings(inputs, grammar=False, samples=2))
    assert summary["accepted"] == 0
    assert sum(summary["rejected"].values()) == 2 * 2 * 3


def test_relations(inputs: Inputs, tmp_path: Path) -> None:
    summary = run(inputs, tmp_path, settings(inputs, samples=1, relations=("made_of",)))
    assert list(summary["relations"]) == ["made_of"]
    with pytest.raises(InputError, match="did you mean made_of"):
        run(inputs, tmp_path / "b", settings(inputs, relations=("made-of",)))
    half = load_schema(inputs.schema).halves(3)["b"]
    chosen = settings(inputs, samples=1, half="b", half_seed=3)
    assert tuple(run(inputs, tmp_path / "c", chosen)["relations"]) == half


@pytest.mark.parametrize("mode", ["obo", "aao"])
def test_lines_of_fields_are_all_accounted_for(inputs: Inputs, tmp_path: Path, mode: str) -> None:
    chosen = settings(inputs, mode=mode, markup="fields", per_answer=2, shown=2, max_new_tokens=200)
    summary = run(inputs, tmp_path, chosen)
    rejected = rows(tmp_path / "rejected.jsonl")
    assert rejected
    assert len(rejected) == sum(summary["rejected"].values())
    # what was decoded keeps to the grammar; a random model's context holds no entity
    assert set(summary["rejected"]) & {"head_not_in_context", "tail_not_in_context"}
    assert not set(summary["rejected"]) & {"no_fields", "wrong_relation", "off_grammar", "no_head"}


def test_a_line_of_fields_gets_its_offsets(
    inputs: Inputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    relation = load_schema(inputs.schema).relations[0]
    sample = next(s for s in read_samples(inputs.train) if s.relation == relation.name)
    line = render_fields(sample, relation).replace(sample.text, f"{sample.text} It is so indeed.")

    class Fixed:
        """A model that writes one line."""

        def prefill(self, prompts: Mapping[int, Prompt]) -> None:
            assert all("Head Entity: " in prompt.text for prompt in prompts.values())

        def decode(self, requests: Sequence[DraftRequest]) -> list[Draft]:
            return [Draft(line, "stop", 9, (None,)) for _ in requests]

        def reset(self) -> None: ...

        def close(self) -> None: ...

    chosen = settings(
        inputs,
        markup="fields",
        samples=1,
        grammar=False,
        near_copy_overlap=1.0,
        max_words=200,
        relations=(relation.name,),
        max_entity_chars=200,
    )
    monkeypatch.setattr(loading, "find_engine", lambda *_: Engine(PLAIN, Fixed))
    run(inputs, tmp_path, chosen)
    (made,) = read_samples(tmp_path / "generated.jsonl")
    assert made.head_text == sample.head_text
    assert made.tail_text == sample.tail_text
    assert made.text.endswith("It is so indeed.")


def test_the_progress_bar_counts_samples_drafts_and_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    state = RelationState(tiny.typed_schema()["causes"], [], wanted=4, accepted=3, drafts=5)
    progress = run_module._Progress([state])
    (task,) = progress._bar.tasks
    progress.update(RoundResult(tokens=70))  # from the journal: no decoding
    assert (task.completed, task.total, task.fields["note"]) == (3, 4, "5 drafts")
    progress.update(RoundResult(tokens=30, seconds=2.0))
    assert task.fields["note"] == "5 drafts, 15 tokens/s"
    # in a run, which shows a bar of its own
    reports: list[tuple[float, float, str]] = []
    before = LISTENER.set(lambda *parts: reports.append(parts))
    monkeypatch.setattr(run_module, "_QUIET_SECONDS", -1.0)
    progress.update(RoundResult(tokens=30, seconds=2.0))
    LISTENER.reset(before)
    assert reports == [(3, 4, "samples")]
    assert not progress._bar.live.is_started
    progress.close()
