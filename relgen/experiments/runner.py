"""Runs the stages of an experiment that are not done yet, in one process, one after another.

A stage is done when its record (`stage.json`, written last) is there and names the content that its
inputs still have. Killed at any moment, a run leaves finished stages, and at most one without a
record: that one goes on, where its command can, or starts again in an empty folder.

Processes that run seeds of their own may work in one folder side by side: a lock keeps two of them
from one stage.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import io
import shlex
import shutil
import sys
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

from relgen import __version__
from relgen.common import (
    InputError,
    content_hash,
    fast_dtype,
    read_json,
    try_lock,
    write_json,
)
from relgen.experiments.config import Experiment
from relgen.experiments.discarded import discard_weights, discarded_hash
from relgen.experiments.plans import KINDS, Plan, Stage
from relgen.experiments.results import print_table, write_report_data, write_results
from relgen.experiments.run_folders import owned
from relgen.kernels.malloc import return_freed_memory

Execute = Callable[[Sequence[str]], None]
"""Runs one command line (what follows `relgen`); raises InputError or SystemExit."""

_LOCK = ".lock"
_BEGUN = "begun.json"
_TERMINATED = 143
_PATIENCE = 1.0  # seconds


def run_experiment(
    experiment: Experiment,
    plan: Plan,
    out: Path,
    *,
    execute: Execute,
    only: Iterable[str] = (),
    force: Iterable[str] = (),
    seeds: Collection[int] = (),
) -> None:
    """Runs what is not done, writes results and report, and prints the table of arms.

    Args:
        experiment: names the owner of the folder.
        plan: its stages.
        out: the run's folder.
        execute: runs one command line of relgen in this process.
        only: stages (names or kinds) to run; their inputs must be there. Empty: all.
        force: stages to run again, though they are done.
        seeds: run the stages of these alone, with what they share, and write no results. Other
            processes may do the same for other seeds at the same time. Empty: all.

    Raises:
        InputError: an unknown stage, a folder that belongs to something else or is in use, or
            what a stage's command raises.
    """
    chosen = _select(plan, only) if only else list(plan.stages)
    if seeds:
        chosen = [stage for stage in chosen if _seed_of(stage) in (None, *seeds)]
    forced = [stage for stage in _select(plan, force) if stage in chosen]
    with owned(experiment, out, shared=bool(seeds)):
        began = time.monotonic()
        for number, stage in enumerate(chosen, start=1):
            if stage in forced or not is_done(stage):
                _announce(stage, number, chosen, time.monotonic() - began)
                with _reserved(stage):
                    if stage in forced:
                        stage.record.unlink(missing_ok=True)
                        _clear(stage)
                    # another process may have done it in the meantime
                    if not is_done(stage):
                        _remake_inputs(plan, stage, execute)
                        _run_stage(stage, execute)
                if not experiment.keep_weights:
                    discard_weights(plan.stages, is_done)
        if seeds:
            print(f"done: seeds {', '.join(map(str, seeds))} -> {out}")
        elif all(is_done(stage) for stage in plan.stages) and (not only or "report" in only):
            results = write_results(experiment, plan, out)
            write_report_data(experiment, plan, out)
            execute(["report", str(out)])
            print_table(results)
            print(f"report: {out / 'report.html'}")
        elif "report" in only:
            missing = [stage.name for stage in plan.stages if not is_done(stage)]
            raise InputError(
                "no report yet: these stages are not done",
                path=out,
                value=missing[:3],
                remedy="run without --only",
            )
        else:
            print(f"done: {', '.join(stage.name for stage in chosen)} -> {out}")


def print_plan(
    plan: Plan, out: Path, *, only: Iterable[str] = (), force: Iterable[str] = ()
) -> None:
    """Prints the commands in order, each under its stage's name and state."""
    chosen = _select(plan, only) if only else list(plan.stages)
    forced = _select(plan, force)
    for stage in chosen:
        state = "done" if is_done(stage) and stage not in forced else "to do"
        print(f"# {stage.name} ({state})\nrelgen {shlex.join(stage.command)}")
    if not only or "report" in only:
        print(f"# report\nrelgen report {shlex.quote(str(out))}")


def is_done(stage: Stage) -> bool:
    """Whether the stage's record is there and its inputs are as they were when it ran."""
    if not stage.record.is_file():
        return False
    return bool(read_json(stage.record)["inputs"] == _input_hashes(stage))


def _seed_of(stage: Stage) -> int | None:
    first = stage.name.partition("/")[0]
    return int(first.removeprefix("seed")) if first.startswith("seed") else None


@contextlib.contextmanager
def _reserved(stage: Stage) -> Iterator[None]:
    """Keeps other processes from a stage; waits for the one that has it."""
    stage.folder.parent.mkdir(parents=True, exist_ok=True)
    with (stage.folder.parent / f".{stage.folder.name}{_LOCK}").open("w") as lock:
        waits = 0
        while not try_lock(lock):
            if not waits:
                print(f"waiting for the process at {stage.name}", file=sys.stderr, flush=True)
            waits += 1
            time.sleep(_PATIENCE)
        yield


def _remake_inputs(plan: Plan, stage: Stage, execute: Execute) -> None:
    """Runs trainings again whose weights were discarded, and are read now after all."""
    for path in stage.inputs:
        if path.exists() or discarded_hash(path) is None:
            continue
        maker = next(other for other in plan.stages if other.folder in path.parents)
        with _reserved(maker):
            # another process may have done it in the meantime
            if not path.exists():
                print(f"again, for its weights: {maker.name}", file=sys.stderr, flush=True)
                _remake_inputs(plan, maker, execute)
                maker.record.unlink(missing_ok=True)
                _run_stage(maker, execute)


def _run_stage(stage: Stage, execute: Execute) -> None:
    for path in stage.inputs:
        if not path.exists():
            raise InputError(
                f"stage {stage.name} needs this, and it is not there",
                path=path,
                remedy="run the stages before it as well (leave --only out)",
            )
    inputs = _input_hashes(stage)
    begun, now = stage.folder / _BEGUN, inputs | _settled_here(stage)
    # what was begun with other inputs, or is done and stale, must not be gone on from
    goes_on = stage.resumable and begun.is_file() and not stage.record.is_file()
    if not goes_on or read_json(begun) != now:
        _clear(stage)
    stage.folder.mkdir(parents=True, exist_ok=True)
    if stage.resumable:
        write_json(begun, now)
    started, began = datetime.now().astimezone(), time.monotonic()
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said):
            execute(stage.command)
    except SystemExit as error:
        # no stage ends its work this way: not done, whatever the code
        if error.code == _TERMINATED:
            raise
        raise InputError(
            f"stage {stage.name} failed: relgen {shlex.join(stage.command)}"
        ) from error
    gc.collect()
    return_freed_memory()
    write_json(
        stage.record,
        {
            "name": stage.name,
            "command": ["relgen", *stage.command],
            "inputs": inputs,
            "settled_here": _settled_here(stage),
            "started": started.isoformat(timespec="seconds"),
            "seconds": round(time.monotonic() - began, 2),
            "output": said.getvalue().strip().splitlines()[-1:],
            "relgen_version": __version__,
        },
    )


def _settled_here(stage: Stage) -> dict[str, str]:
    """What the stage's command leaves to the machine: begun on another kind, it starts again."""
    return {"dtype": fast_dtype()} if "auto" in stage.command else {}


def _clear(stage: Stage) -> None:
    for folder in filter(None, (stage.folder, stage.board)):
        shutil.rmtree(folder, ignore_errors=True)


def _input_hashes(stage: Stage) -> dict[str, str]:
    # by position and name: a run that was moved to another folder is still done
    return {
        f"{index}/{path.name}": _hash(path) if path.exists() else discarded_hash(path) or ""
        for index, path in enumerate(stage.inputs)
    }


def _hash(path: Path) -> str:
    if path.is_dir():
        return content_hash(path)
    status = path.stat()
    return _file_hash(path, status.st_mtime_ns, status.st_size)


@functools.lru_cache(maxsize=4096)
def _file_hash(path: Path, modified: int, size: int) -> str:
    """Large files (checkpoints) are inputs of several questions in a run: read them once."""
    return content_hash(path)


def _announce(stage: Stage, number: int, chosen: list[Stage], seconds: float) -> None:
    left = [s.kind for s in chosen[number:] if not is_done(s)]
    kinds = [f"{left.count(kind)} {kind}" for kind in KINDS if kind in left]
    after = f"; then {', '.join(kinds)}" if kinds else "; then the report"
    clock = f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
    print(f"[{number}/{len(chosen)}] {clock}  {stage.name}{after}", file=sys.stderr, flush=True)


def _select(plan: Plan, names: Iterable[str]) -> list[Stage]:
    selected: list[Stage] = []
    for name in names:
        found = [s for s in plan.stages if name in (s.name, s.kind, s.name.partition("/")[2])]
        if not found and name != "report":
            known = sorted({s.name for s in plan.stages})
            raise InputError(
                "no such stage",
                field="stage",
                value=name,
                remedy=f"kinds: {', '.join(KINDS)}; names: {', '.join(known)}",
            )
        selected += [stage for stage in found if stage not in selected]
    return [stage for stage in plan.stages if stage in selected]
