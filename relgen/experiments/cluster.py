"""Runs command lines as jobs, on this machine or a SLURM cluster, with submitit."""

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
from typing import Any, Literal, NamedTuple

from relgen.common import InputError, counted

# submitit's own defaults are a few minutes; a partition may allow less than these
_MINUTES = {"local": 7 * 24 * 60, "slurm": 24 * 60}
_POLL = 1.0  # seconds
_CLUSTER_LINES = ("srun: ", "slurmstepd: ", "submitit ")
_TIME_TO_END = 30.0  # seconds that cancelled jobs have to end


class Jobs(NamedTuple):
    """Says where jobs run, and how many at a time."""

    cluster: Literal["local", "slurm"]  # `local` processes share this machine's threads
    at_once: int | None  # None submits all
    options: Mapping[str, Any]  # of submitit's executor (`slurm_partition`, `timeout_min`, …)


def run_jobs(commands: Mapping[str, Sequence[str]], jobs: Jobs, folder: Path) -> None:
    """Run all commands, and print a line for each that ends; a failure does not stop the others.

    `commands` are command lines, given without `relgen`, by the jobs' names. submitit's files and
    the jobs' logs go to `folder`. An interrupt or SIGTERM cancels the jobs. Raises InputError if
    submitit is not installed or refuses an option, the cluster refuses a job, or jobs fail; the
    error has the last line of output of the first one.
    """
    executor = _executor(jobs, folder)
    environment = _environment(jobs, len(commands))
    waiting, failures = list(commands), list[tuple[str, Path]]()
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
                        failures.append((f"{name}: {_last_line(job, error)}", job.paths.stderr))
                    state, left = "failed" if error else "done", len(waiting) + len(running)
                    print(f"{state}: {name}; {left} left", file=sys.stderr, flush=True)
                time.sleep(_POLL)
        finally:
            for job in running.values():
                job.cancel()
            deadline = time.monotonic() + _TIME_TO_END
            while not all(job.done() for job in running.values()) and time.monotonic() < deadline:
                time.sleep(_POLL / 10)
    for first, log in failures[:1]:
        raise InputError(
            f"{len(failures)} of {counted(len(commands), 'job')} failed; {first}",
            path=log,
            remedy="fix the cause and run the same command again: finished stages are kept",
        )


@dataclass(frozen=True, slots=True)
class _Command:
    """Runs a command inside a job; raises SystemExit if it fails, so that the job fails too."""

    line: tuple[str, ...]
    environment: dict[str, str] | None

    def __call__(self) -> None:
        with subprocess.Popen(self.line, env=self.environment) as process:
            try:
                code = process.wait()
            except BaseException:  # the job is cancelled or out of time: end the command as well
                process.send_signal(signal.SIGINT)
                raise
        if code:
            sys.exit(code)


@contextlib.contextmanager
def _ends_on_signals() -> Iterator[None]:
    """Let SIGTERM raise SystemExit(143), so that `finally` runs, and never ignore SIGINT.

    A shell lets a script's background processes ignore SIGINT, and their jobs would inherit that;
    but SIGINT is the signal by which submitit cancels a job.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    own: dict[int, Callable[[int, Any], Any]] = {
        signal.SIGTERM: lambda number, frame: sys.exit(128 + number)
    }
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        own[signal.SIGINT] = signal.default_int_handler
    before = {number: signal.signal(number, handler) for number, handler in own.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _executor(jobs: Jobs, folder: Path) -> Any:
    try:
        import submitit
    except ModuleNotFoundError as error:
        raise InputError(
            "the package submitit is not installed",
            field="--jobs",
            remedy="pip install 'relgen-re[cluster]'",
        ) from error
    try:
        executor = submitit.AutoExecutor(folder=folder, cluster=jobs.cluster)
        executor.update_parameters(**{"timeout_min": _MINUTES[jobs.cluster], **jobs.options})
    except Exception as error:  # of several types, for unknown options and for a missing sbatch
        reason = str(error).splitlines()[0]
        raise InputError(f"submitit: {reason}", field="--cluster", value=jobs.cluster) from error
    return executor


def _submit(executor: Any, task: _Command, name: str, jobs: Jobs) -> Any:
    try:
        return executor.submit(task)
    except Exception as error:  # the last line of the message is sbatch's
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise InputError(
            f"the job '{name}' was refused: {lines[-1] if lines else type(error).__name__}",
            field="--cluster",
            value=jobs.cluster,
            remedy="set --cluster-option, e.g. slurm_partition=NAME or timeout_min=600",
        ) from error


def _environment(jobs: Jobs, number: int) -> dict[str, str] | None:
    """Return an environment in which local jobs share the threads; None for no change."""
    if jobs.cluster == "slurm" or "OMP_NUM_THREADS" in os.environ:
        return None
    threads = max(1, (os.cpu_count() or 1) // max(1, jobs.at_once or number))
    return {**os.environ, "OMP_NUM_THREADS": str(threads)}


def _last_line(job: Any, error: Exception) -> str:
    """Return the last line that the command itself wrote, before any of the cluster's."""
    lines = [line.strip() for line in (job.stderr() or "").splitlines()]
    own = [line for line in lines if line and not line.startswith(_CLUSTER_LINES)]
    return own[-1] if own else str(error).splitlines()[0]
