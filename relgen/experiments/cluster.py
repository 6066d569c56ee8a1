"""Runs command lines as jobs: processes of this machine, or of a SLURM cluster, by submitit."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from relgen.common import InputError

# submitit's own defaults are minutes; a partition may allow less than these
_MINUTES = {"local": 7 * 24 * 60, "slurm": 24 * 60}
_POLL = 1.0  # seconds
_CLUSTER_LINES = ("srun: ", "slurmstepd: ", "submitit ")
_TIME_TO_END = 30.0  # seconds that cancelled jobs get


@dataclass(frozen=True, slots=True)
class Jobs:
    """The way in which a run is spread over jobs.

    Args:
        cluster: `local` starts processes here, which share the machine's threads; `slurm` submits.
        at_once: run at most this many at a time; None submits all.
        options: of submitit's executor (`slurm_partition`, `timeout_min`, `gpus_per_node`, …).
    """

    cluster: Literal["local", "slurm"]
    at_once: int | None
    options: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Failure:
    """A job that failed: its name, the last line of its output, and the file with all of it."""

    name: str
    said: str
    log: Path


def run_jobs(commands: Mapping[str, Sequence[str]], jobs: Jobs, folder: Path) -> list[Failure]:
    """Run all commands, and print each that ends; one that fails does not stop the others.

    Interrupted, or told to end (SIGTERM), it cancels them.

    Args:
        commands: what follows `relgen`, by the jobs' names.
        jobs: where and how many at a time.
        folder: for submitit's files and the jobs' logs.

    Returns:
        The jobs that failed, in the order in which they ended.

    Raises:
        InputError: submitit is not installed, does not know an option, or the cluster refuses a
            job.
    """
    executor = _executor(jobs, folder)
    environment = _environment(jobs, len(commands))
    waiting, failures = list(commands), list[Failure]()
    running: dict[str, Any] = {}
    with _ends_on_signals():
        try:
            while waiting or running:
                while waiting and (jobs.at_once is None or len(running) < jobs.at_once):
                    name = waiting.pop(0)
                    line = (sys.executable, "-m", "relgen.cli.main", *commands[name])
                    task = _Command(line, environment)
                    running[name] = _submit(executor, task, name, jobs)
                for name in [name for name, job in running.items() if job.done()]:
                    job = running.pop(name)
                    if (error := job.exception()) is not None:
                        failures.append(Failure(name, _last_line(job, error), job.paths.stderr))
                    state, left = "failed" if error else "done", len(waiting) + len(running)
                    print(f"{state}: {name}; {left} left", file=sys.stderr, flush=True)
                time.sleep(_POLL)
        finally:
            _cancel(running)
    return failures


def _cancel(running: Mapping[str, Any]) -> None:
    for job in running.values():
        job.cancel()
    deadline = time.monotonic() + _TIME_TO_END
    while any(not job.done() for job in running.values()) and time.monotonic() < deadline:
        time.sleep(_POLL / 10)


@dataclass(frozen=True, slots=True)
class _Command:
    """The function that submitit calls in a job; its output goes to the job's logs at once.

    Raises:
        SystemExit: with the command's exit code, so that the job fails if the command has.
    """

    line: tuple[str, ...]
    environment: dict[str, str] | None

    def __call__(self) -> None:
        with subprocess.Popen(self.line, env=self.environment) as process:
            try:
                code = process.wait()
            except BaseException:  # cancelled, or out of time: the command must end as well
                process.send_signal(signal.SIGINT)
                raise
        if code:
            sys.exit(code)


@contextlib.contextmanager
def _ends_on_signals() -> Iterator[None]:
    """Let SIGTERM exit with code 143 by way of `finally`, and SIGINT never be ignored.

    A shell has a script's background processes ignore SIGINT. Jobs inherit that, and submitit
    cancels them by this very signal.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    own: dict[int, Callable[[int, Any], Any]] = {signal.SIGTERM: _leave}
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        own[signal.SIGINT] = signal.default_int_handler
    before = {number: signal.signal(number, handler) for number, handler in own.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _leave(number: int, frame: Any) -> None:
    sys.exit(128 + number)


def _executor(jobs: Jobs, folder: Path) -> Any:
    try:
        import submitit
    except ModuleNotFoundError as error:
        raise InputError(
            "needs the package submitit",
            field="--jobs",
            remedy="pip install 'relgen-re[cluster]'",
        ) from error
    try:
        executor = submitit.AutoExecutor(folder=folder, cluster=jobs.cluster)
        executor.update_parameters(**{"timeout_min": _MINUTES[jobs.cluster], **jobs.options})
    except Exception as error:  # it raises several kinds, for options and for a missing sbatch
        said = str(error).splitlines()[0]
        raise InputError(f"submitit: {said}", field="--cluster", value=jobs.cluster) from error
    return executor


def _submit(executor: Any, task: _Command, name: str, jobs: Jobs) -> Any:
    try:
        return executor.submit(task)
    except Exception as error:  # submitit's own, with what sbatch said in its last line
        said = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise InputError(
            f"the job '{name}' was refused: {said[-1] if said else type(error).__name__}",
            field="--cluster",
            value=jobs.cluster,
            remedy="set --cluster-option, e.g. slurm_partition=NAME or timeout_min=600",
        ) from error


def _environment(jobs: Jobs, number: int) -> dict[str, str] | None:
    """Share the machine's threads among local jobs; a cluster's jobs keep what they are given."""
    if jobs.cluster == "slurm" or "OMP_NUM_THREADS" in os.environ:
        return None
    threads = max(1, (os.cpu_count() or 1) // max(1, jobs.at_once or number))
    return {**os.environ, "OMP_NUM_THREADS": str(threads)}


def _last_line(job: Any, error: Exception) -> str:
    """Return the last line that the command itself wrote; lines of the cluster may follow it."""
    lines = [line.strip() for line in (job.stderr() or "").splitlines()]
    own = [line for line in lines if line and not line.startswith(_CLUSTER_LINES)]
    return own[-1] if own else str(error).splitlines()[0]
