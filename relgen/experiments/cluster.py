"""Command lines as jobs: processes of this machine, or of a SLURM cluster, by submitit.

Leaves out what the commands do, and who may work on what: `relgen.experiments.runner` locks its
stages.
"""

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

Cluster = Literal["local", "slurm"]
# submitit's own defaults are minutes; a partition may allow less than these
_MINUTES: dict[Cluster, int] = {"local": 7 * 24 * 60, "slurm": 24 * 60}
_POLL = 1.0  # seconds
_CLUSTERS_OWN = ("srun: ", "slurmstepd: ", "submitit ")
_TO_END = 30.0  # seconds that cancelled jobs get, so that none is left behind


@dataclass(frozen=True, slots=True)
class JobCommand:
    """What a job runs.

    Args:
        name: for people.
        command: what follows `relgen`.
    """

    name: str
    command: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Command:
    """What submitit calls in a job: a command, whose output goes to the job's logs as it comes.

    Raises:
        SystemExit: the command's code, so that the job has failed where the command has.
    """

    line: tuple[str, ...]
    environment: dict[str, str] | None

    def __call__(self) -> None:
        with subprocess.Popen(self.line, env=self.environment) as process:
            try:
                code = process.wait()
            except BaseException:  # cancelled, or out of time: the command is not to go on alone
                process.send_signal(signal.SIGINT)
                raise
        if code:
            sys.exit(code)


@dataclass(frozen=True, slots=True)
class Failure:
    """A job that did not do its work: its name, the end of what it said, and where all of it is."""

    name: str
    said: str
    log: Path


def run_jobs(
    commands: Sequence[JobCommand],
    *,
    cluster: Cluster,
    at_once: int | None,
    folder: Path,
    options: Mapping[str, Any],
    ended: Callable[[str, bool, int], None] = lambda name, failed, left: None,
) -> list[Failure]:
    """Runs all commands; one that fails does not stop the others.

    Interrupted, or told to end (SIGTERM), it cancels them.

    Args:
        commands: the jobs.
        cluster: `local` starts processes here, which share the machine's threads; `slurm` submits.
        at_once: so many at the same time; None submits all.
        folder: for submitit's files and the jobs' logs.
        options: of the executor (`slurm_partition`, `timeout_min`, `gpus_per_node`, …).
        ended: called with a job's name, whether it failed, and the number of jobs left.

    Returns:
        The jobs that failed, in the order in which they ended.

    Raises:
        InputError: submitit is not installed, does not know an option, or the cluster refuses a
            job.
    """
    executor = _executor(cluster, folder, options)
    environment = _environment(cluster, at_once or len(commands))
    waiting, failures = list(commands), list[Failure]()
    running: dict[str, Any] = {}
    with _told_to_end():
        try:
            while waiting or running:
                while waiting and (at_once is None or len(running) < at_once):
                    job = waiting.pop(0)
                    line = (sys.executable, "-m", "relgen.cli.main", *job.command)
                    task = _Command(line, environment)
                    running[job.name] = _submitted(executor, task, job.name, cluster)
                for name in [name for name, job in running.items() if job.done()]:
                    job = running.pop(name)
                    if (error := job.exception()) is not None:
                        failures.append(Failure(name, _last_line(job, error), job.paths.stderr))
                    ended(name, error is not None, len(waiting) + len(running))
                time.sleep(_POLL)
        finally:
            for job in running.values():
                job.cancel()
            patience = time.monotonic() + _TO_END
            while running and time.monotonic() < patience:
                running = {name: job for name, job in running.items() if not job.done()}
                time.sleep(_POLL / 10)
    return failures


@contextlib.contextmanager
def _told_to_end() -> Iterator[None]:
    """SIGTERM leaves with code 143 by way of `finally`, and SIGINT is never ignored.

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


def _executor(cluster: Cluster, folder: Path, options: Mapping[str, Any]) -> Any:
    try:
        import submitit
    except ModuleNotFoundError as error:
        raise InputError(
            "needs the package submitit",
            field="--jobs",
            remedy="pip install 'relgen-re[cluster]'",
        ) from error
    try:
        executor = submitit.AutoExecutor(folder=folder, cluster=cluster)
        executor.update_parameters(**{"timeout_min": _MINUTES[cluster], **options})
    except Exception as error:  # it raises several kinds, for options and for a missing sbatch
        said = str(error).splitlines()[0]
        raise InputError(f"submitit: {said}", field="--cluster", value=cluster) from error
    return executor


def _submitted(executor: Any, task: Any, name: str, cluster: Cluster) -> Any:
    try:
        return executor.submit(task)
    except Exception as error:  # submitit's own, with what sbatch said in its last line
        said = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise InputError(
            f"the job '{name}' was refused: {said[-1] if said else type(error).__name__}",
            field="--cluster",
            value=cluster,
            remedy="mend it with --cluster-option, e.g. slurm_partition=NAME or timeout_min=600",
        ) from error


def _environment(cluster: Cluster, processes: int) -> dict[str, str] | None:
    """Local processes share the machine's threads; those of a cluster have what they are given."""
    if cluster == "slurm" or "OMP_NUM_THREADS" in os.environ:
        return None
    threads = max(1, (os.cpu_count() or 1) // processes)
    return {**os.environ, "OMP_NUM_THREADS": str(threads)}


def _last_line(job: Any, error: Exception) -> str:
    """What the command said last: its own line of an error, which the cluster's may follow."""
    lines = [line.strip() for line in (job.stderr() or "").splitlines()]
    own = [line for line in lines if line and not line.startswith(_CLUSTERS_OWN)]
    return own[-1] if own else str(error).splitlines()[0]
