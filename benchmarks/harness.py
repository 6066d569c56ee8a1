"""Parts of all benchmarks: options, one process per measurement, medians, the table, the JSON.

A benchmark module has a `main(argv)`. It calls `measure`, which starts the same module again with
`--side NAME`: that process measures one side once and prints one JSON object as its last line.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import importlib.metadata
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from relgen.common import InputError, write_json

Row = dict[str, Any]
CPU_TIME = "BENCHMARKS_CPU_TIME"
LIBRARIES = ("torch", "transformers", "peft", "trl", "lightning", "llguidance", "datasets")


def parser(description: str) -> argparse.ArgumentParser:
    """Return a parser with the options that every benchmark has."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--json", metavar="OUT", help="write everything that was measured to a file")
    made.add_argument("--rounds", type=int, default=1, help="measurements of each side (1)")
    made.add_argument("--threads", type=int, default=os.cpu_count(), help="of each process")
    made.add_argument("--seed", type=int, default=1, help="of data, weights and sampling (1)")
    made.add_argument("--side", help=argparse.SUPPRESS)
    made.add_argument("--until", type=float, help=argparse.SUPPRESS)
    return made


def measure(
    module: str,
    sides: Mapping[str, Sequence[str]],
    options: Sequence[str],
    *,
    rounds: int,
    threads: int,
    until: float | None = None,
    may_fail: Collection[str] = (),
    failed: dict[str, str] | None = None,
) -> dict[str, list[Row]]:
    """Measure the sides in turn, `rounds` times, each time in a fresh process.

    Args:
        module: the benchmark's name, as for `python -m`.
        sides: name of each side, and the options that only it gets; a `--side` among them stands in
            place of the name.
        options: what all sides get.
        rounds: how often.
        threads: what torch and BLAS may use.
        until: `time.monotonic()` at which a side is broken off.
        may_fail: sides of others, which may need more memory than there is; what failed is said
            and left out from then on.
        failed: gets the name of each such side, and why.

    Raises:
        RuntimeError: another side failed, or was broken off; the message ends with what it printed
            last.
    """
    found: dict[str, list[Row]] = {side: [] for side in sides}
    failed = {} if failed is None else failed
    for number in range(1, rounds + 1):
        # the other way round every second time: a machine that slows down favours nobody
        for side, own in list(sides.items())[:: 1 if number % 2 else -1]:
            if side in failed:
                continue
            _say(f"[{module} {' '.join(options)}] round {number}/{rounds}: {side}")
            try:
                found[side].append(
                    run_side([module, "--side", side, *options, *own], threads, until)
                )
            except RuntimeError as error:
                if side not in may_fail:
                    raise
                failed[side] = str(error)
                _say(f"{side} is left out: {error}")
    return {side: rows for side, rows in found.items() if side not in failed}


def run_side(
    arguments: Sequence[str],
    threads: int,
    until: float | None,
    *,
    environment: Mapping[str, str] | None = None,
) -> Row:
    """Measure one side in a process of its own; return what it printed as JSON.

    Args:
        arguments: the benchmark's name and its options.
        threads: what torch and BLAS may use.
        until: `time.monotonic()` at which it is broken off.
        environment: variables that it gets beside this process's.

    Raises:
        RuntimeError: it failed, or was broken off.
    """
    count = str(threads)
    settings = {"OMP_NUM_THREADS": count, "MKL_NUM_THREADS": count, "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-m", *arguments, "--threads", count]
    left = None if until is None else max(1.0, until - time.monotonic())
    try:
        result = subprocess.run(
            command,
            env={**os.environ, **settings, **(environment or {})},
            capture_output=True,
            text=True,
            check=False,
            timeout=left,
        )
    except subprocess.TimeoutExpired as error:
        raise RuntimeError(f"{' '.join(command)} was broken off: no time left") from error
    if result.returncode != 0:
        said = "\n".join(result.stderr.splitlines()[-12:])
        raise RuntimeError(f"{' '.join(command)} ended with {result.returncode}:\n{said}")
    row: Row = json.loads(result.stdout.strip().splitlines()[-1])
    return row


def clock() -> float:
    """Return the time in seconds; with the variable `CPU_TIME`, this process's CPU time."""
    return time.process_time() if os.environ.get(CPU_TIME) else time.perf_counter()


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Return the seconds of a call, with the GPU's work done, and what it returned."""
    import torch

    wait = torch.cuda.synchronize if torch.cuda.is_available() else lambda: None
    wait()
    began = clock()
    value = work()
    wait()
    return clock() - began, value


def peak_memory_mb() -> float:
    """Return this process's peak memory so far, in MB: on a GPU, else in RAM."""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 1e6
    return peak_ram_mb()


def reset_peak_memory() -> None:
    """What a GPU held until now, while the model was made, does not count."""
    import torch

    if torch.cuda.is_available():
        gc.collect()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def peak_ram_mb(process: int | str = "self") -> float:
    """Return the peak RAM of this process, or another of this machine, so far, in MB.

    On Linux `getrusage` counts what the parent held when it started this process; the status file
    does not.
    """
    with contextlib.suppress(OSError, StopIteration):
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) * 1.024e-3
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / 1e6 if sys.platform == "darwin" else most * 1.024e-3


def median(rows: Sequence[Row], key: str) -> float:
    """Return the median of one figure over a side's measurements."""
    return float(statistics.median(row[key] for row in rows))


def environment(*, threads: int, seed: int) -> Row:
    """Versions, processor, device: what a figure depends on."""
    import torch

    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    versions: dict[str, str | None] = {}
    for name in LIBRARIES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = None
    return {
        "python": platform.python_version(),
        "processor": _processor(),
        "device": device,
        "threads": threads,
        "seed": seed,
        **versions,
    }


def report(
    title: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[Any]],
    surroundings: Row,
    *,
    notes: Sequence[str] = (),
) -> None:
    """Print a table, the checks, and the versions and hardware."""
    table = Table(title=title, title_justify="left")
    for index, column in enumerate(columns):
        table.add_column(column, justify="left" if index == 0 else "right")
    for row in rows:
        table.add_row(*(value if isinstance(value, str) else number(value) for value in row))
    console = Console(width=max(130, Console().width))
    console.print(table)
    for note in notes:
        console.print(note, highlight=False)
    shown = {key: value for key, value in surroundings.items() if value is not None}
    console.print(", ".join(f"{key} {value}" for key, value in shown.items()), highlight=False)


def number(value: float | None) -> str:
    """Three significant digits, without an exponent where one can read it."""
    if value is None:
        return "-"
    if value and (abs(value) < 1e-3 or abs(value) >= 1e7):
        return f"{value:.1e}"
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"


def save(path: str | None, content: Row) -> None:
    """Write the JSON file if `--json` names one."""
    if path is not None:
        write_json(Path(path), content)


def semeval() -> Path | None:
    """Return the folder of SemEval-2010 Task 8 below `$RELGEN_DATA`, if it is there."""
    root = os.environ.get("RELGEN_DATA")
    folder = Path(root) / "semeval2010_task8" if root else None
    return folder if folder and folder.is_dir() else None


def split_numbers(text: str) -> list[int]:
    """`8,16` to [8, 16], for argparse."""
    return [int(part) for part in text.split(",")]


def names_among(known: Iterable[str], what: str) -> Callable[[str], list[str]]:
    """`a,b` to [a, b], for argparse; another name is refused as no such `what`."""
    allowed = list(known)

    def names(text: str) -> list[str]:
        found = text.split(",")
        if unknown := set(found) - set(allowed):
            problem = f"no such {what}: {', '.join(sorted(unknown))}; one of {', '.join(allowed)}"
            raise argparse.ArgumentTypeError(problem)
        return found

    return names


def require_within(what: str, differences: Row, tolerance: Mapping[str, float]) -> None:
    """Raise RuntimeError if a difference is too large, or not a number."""
    for name, most in tolerance.items():
        if not differences[name] <= most:
            raise RuntimeError(f"{what}: {differences}, allowed: {dict(tolerance)}")


def run_main(main: Callable[[Sequence[str] | None], None]) -> None:
    """End a benchmark's process as `relgen` would: bad input on one line, with exit code 2."""
    try:
        main(None)
    except InputError as error:
        print(error, file=sys.stderr)
        sys.exit(2)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
