"""Jobs by submitit's local executor, for real: in parallel, some of them failing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from relgen.common.errors import InputError
from relgen.data.samples import read_samples
from relgen.experiments.cluster import Jobs, run_jobs
from tests.waiting import wait_until

pytestmark = pytest.mark.processes


@pytest.mark.slow
def test_jobs_run_and_those_that_fail_say_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "corpus"
    commands = {
        "good": ("data", "everyday", "--out", str(out)),
        "bad": ("data", "split", "none.jsonl", "--shots", "1", "--out", str(tmp_path)),
    }
    with pytest.raises(InputError, match=r"1 of 2 jobs failed; bad: none\.jsonl: ") as caught:
        run_jobs(commands, Jobs("local", 1, {}), tmp_path / "jobs")
    assert capsys.readouterr().err == "done: good; 1 left\nfailed: bad; 0 left\n"
    assert len(read_samples(out / "train.jsonl")) == 216
    assert "Traceback" not in Path(str(caught.value.path)).read_text()


@pytest.mark.parametrize(
    ("told", "code"), [(signal.SIGINT, -signal.SIGINT), (signal.SIGTERM, 143)], ids=["INT", "TERM"]
)
def test_an_interrupted_run_leaves_no_job_running(
    tmp_path: Path, told: signal.Signals, code: int
) -> None:
    """Only the process that waits for the jobs is told, as by `kill`, in the background."""
    endless = tmp_path / "endless.jsonl"
    os.mkfifo(endless)
    program = """
import signal
import sys
from pathlib import Path
from relgen.experiments.cluster import Jobs, run_jobs
signal.signal(signal.SIGINT, signal.SIG_IGN)  # as a shell has it in the background
read = ("data", "convert", sys.argv[1], "--format", "tagged", "--out", sys.argv[2] + "/out")
run_jobs({"read": read}, Jobs("local", 1, {}), Path(sys.argv[2]))
"""
    line = [sys.executable, "-c", program, str(endless), str(tmp_path / "jobs")]
    with subprocess.Popen(line, stderr=subprocess.DEVNULL, start_new_session=True) as parent:
        try:
            pipe = _waiting_for(endless)
            parent.send_signal(told)
            assert parent.wait() == code
        finally:
            parent.kill()

    wait_until(lambda: _unread(pipe))
    os.close(pipe)


def _waiting_for(opened: Path) -> int:
    """Return the write end of a pipe once somebody reads it."""
    ends: list[int] = []

    def reads() -> bool:
        try:
            ends.append(os.open(opened, os.O_WRONLY | os.O_NONBLOCK))
        except OSError:
            return False
        return True

    wait_until(reads)
    return ends[0]


def _unread(pipe: int) -> bool:
    """Return true once nobody reads the pipe any more."""
    try:
        os.write(pipe, b"\n")
    except BrokenPipeError:
        return True
    return False


def test_options_that_submitit_does_not_know(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="submitit: "):
        run_jobs({}, Jobs("local", None, {"no_such_option": 1}), tmp_path)


def test_slurm_where_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(InputError, match="submitit: "):
        run_jobs({}, Jobs("slurm", None, {}), tmp_path)


def test_a_job_that_slurm_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("sbatch", "srun"):
        (tmp_path / name).write_text("#!/bin/sh\necho 'invalid partition: x' >&2\nexit 1\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    commands = {"first": ("data", "everyday", "--out", str(tmp_path / "corpus"))}
    with pytest.raises(InputError) as caught:
        run_jobs(commands, Jobs("slurm", None, {}), tmp_path / "jobs")
    assert "the job 'first' was refused: " in str(caught.value)
    assert "invalid partition: x" in str(caught.value)
    assert "\n" not in str(caught.value)
    (script,) = (tmp_path / "jobs").glob("*.sh")
    assert "#SBATCH --time=1440" in script.read_text()
