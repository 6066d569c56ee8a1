"""Jobs by submitit's local executor, for real: in parallel, some of them failing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from relgen.cluster import JobCommand, run_jobs
from relgen.errors import InputError
from relgen.samples import read_samples


def test_jobs_run_and_those_that_fail_say_why(tmp_path: Path) -> None:
    out = tmp_path / "corpus"
    commands = [
        JobCommand("good", ("data", "everyday", "--out", str(out))),
        JobCommand("bad", ("data", "split", "none.jsonl", "--shots", "1", "--out", str(tmp_path))),
    ]
    said: list[tuple[str, bool, int]] = []
    failures = run_jobs(
        commands,
        cluster="local",
        at_once=1,
        folder=tmp_path / "jobs",
        options={},
        ended=lambda *what: said.append(what),
    )
    assert said == [("good", False, 1), ("bad", True, 0)]
    assert len(read_samples(out / "train.jsonl")) == 216
    (failure,) = failures
    assert failure.name == "bad"
    assert failure.said.startswith("none.jsonl: ")
    assert failure.log.is_file()


def test_options_that_submitit_does_not_know(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="submitit: "):
        run_jobs([], cluster="local", at_once=None, folder=tmp_path, options={"no_such_option": 1})


def test_slurm_where_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(InputError, match="submitit: "):
        run_jobs([], cluster="slurm", at_once=None, folder=tmp_path, options={})


def test_a_job_that_slurm_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("sbatch", "srun"):
        (tmp_path / name).write_text("#!/bin/sh\necho 'invalid partition: x' >&2\nexit 1\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(InputError) as caught:
        run_jobs(
            [JobCommand("first", ("data", "everyday", "--out", str(tmp_path / "corpus")))],
            cluster="slurm",
            at_once=None,
            folder=tmp_path / "jobs",
            options={},
        )
    assert "the job 'first' was refused: " in str(caught.value)
    assert "invalid partition: x" in str(caught.value)
    assert "\n" not in str(caught.value)
    (script,) = (tmp_path / "jobs").glob("*.sh")
    assert "#SBATCH --time=1440" in script.read_text()
