"""Runs the stages of an experiment that are not done yet, in one process, one after another.

A stage is done when its record (`stage.json`, written last) is there and lists the content that its
inputs still have. A run killed at any moment leaves finished stages, and at most one without a
record: that stage continues, where its command can, or starts again in an empty folder.

Processes that run different seeds may work in one folder at the same time: each stage has a lock.
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
from relgen.experiments.report_data import write_report_data
from relgen.experiments.results import print_table, write_results
from relgen.experiments.run_folders import owned, owner_of
from relgen.experiments.stages import STAGE_KINDS, Plan, Stage
from relgen.kernels.malloc import return_freed_memory

Execute = Callable[[Sequence[str]], None]
"""Runs one command line (what follows `relgen`); raises InputError or SystemExit."""

_LOCK = ".lock"
_BEGUN = "begun.json"
_WEIGHTS = (".ckpt", ".safetensors")
_TERMINATED = 143
_WAIT = 1.0  # seconds


def run_experiment(
    experiment: Experiment,
    plan: Plan,
    out: Path,
    *,
    execute: Execute,
    only: Iterable[str] = (),
    force: Iterable[str] = (),
    seeds: Collection[int] = (),
    readers: Iterable[Stage] = (),
) -> None:
    """Run what is not done, write results and report, and print the table of arms.

    Args:
        experiment: owns the folder.
        plan: its stages.
        out: the run's folder.
        execute: runs one command line of relgen in this process.
        only: stages (names or kinds) to run; their inputs must be there. Empty: all.
        force: stages to run again, though they are done.
        seeds: run the stages of these seeds and what they share, and write no results. Other
            processes may do the same for other seeds at the same time. Empty: all.
        readers: stages of other plans that may still read this plan's weights.

    Raises:
        InputError: an unknown stage, a folder that belongs to something else or is in use, or
            what a stage's command raises.
    """
    chosen = _select(plan, only) if only else list(plan.stages)
    if seeds:
        chosen = [stage for stage in chosen if _seed_of(stage) in (None, *seeds)]
    forced = [stage for stage in _select(plan, force) if stage in chosen]
    with owned(owner_of(experiment), out, shared=bool(seeds)):
        for stage in forced:
            with _reserved(stage):
                _clear(stage)
        began = time.monotonic()
        for number, stage in enumerate(chosen, start=1):
            if is_done(stage):
                continue
            _announce(stage, number, chosen, time.monotonic() - began)
            with _reserved(stage):
                # another process may have done it in the meantime
                if not is_done(stage):
                    _run_stage(stage, plan, execute)
            if not experiment.keep_weights:
                _delete_weights([*plan.stages, *readers])
        if seeds:
            print(f"done: seeds {', '.join(map(str, seeds))} -> {out}")
        elif only and "report" not in only:
            print(f"done: {', '.join(stage.name for stage in chosen)} -> {out}")
        else:
            _report(experiment, plan, out, execute)


def _report(experiment: Experiment, plan: Plan, out: Path, execute: Execute) -> None:
    if missing := [stage.name for stage in plan.stages if not is_done(stage)]:
        raise InputError(
            "there is no report yet: these stages are not done",
            path=out,
            value=missing[:3],
            remedy="run without --only",
        )
    results = write_results(experiment, plan, out)
    write_report_data(experiment, plan, out)
    execute(["report", str(out)])
    print_table(results)
    print(f"report: {out / 'report.html'}")


def print_plan(
    plan: Plan, out: Path, *, only: Iterable[str] = (), force: Iterable[str] = ()
) -> None:
    """Print the commands in order, each under its stage's name and state."""
    chosen = _select(plan, only) if only else list(plan.stages)
    forced = _select(plan, force)
    for stage in chosen:
        state = "done" if is_done(stage) and stage not in forced else "to do"
        print(f"# {stage.name} ({state})\nrelgen {shlex.join(stage.command)}")
    if not only or "report" in only:
        print(f"# report\nrelgen report {shlex.quote(str(out))}")


def is_done(stage: Stage) -> bool:
    """Tell whether the stage's record is there and its inputs have not changed since.

    Weights that were deleted since (`keep_weights: false`) count as unchanged.
    """
    if not stage.record.is_file():
        return False
    then, now = read_json(stage.record)["inputs"], _input_hashes(stage)
    deleted = [name for name, found in now.items() if not found and name.endswith(_WEIGHTS)]
    return bool(then == now | {name: then.get(name) for name in deleted})


def _seed_of(stage: Stage) -> int | None:
    first = stage.name.partition("/")[0]
    return int(first.removeprefix("seed")) if first.startswith("seed") else None


@contextlib.contextmanager
def _reserved(stage: Stage) -> Iterator[None]:
    """Keep other processes out of a stage; wait for the one that is running it."""
    stage.folder.parent.mkdir(parents=True, exist_ok=True)
    with (stage.folder.parent / f".{stage.folder.name}{_LOCK}").open("w") as lock:
        waits = 0
        while not try_lock(lock):
            if not waits:
                print(
                    f"waiting for the process that runs {stage.name}", file=sys.stderr, flush=True
                )
            waits += 1
            time.sleep(_WAIT)
        yield


def _run_stage(stage: Stage, plan: Plan, execute: Execute) -> None:
    _require_inputs(stage, plan)
    inputs = _input_hashes(stage)
    begun, now = stage.folder / _BEGUN, inputs | _machine_settings(stage)
    # partial output of other inputs, or of a finished stage that is out of date, must not be used
    continues = stage.resumable and begun.is_file() and not stage.record.is_file()
    if not continues or read_json(begun) != now:
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
        # commands return when they are done: whatever the code, this one has not finished
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
            "machine_settings": _machine_settings(stage),
            "started": started.isoformat(timespec="seconds"),
            "seconds": round(time.monotonic() - began, 2),
            "output": said.getvalue().strip().splitlines()[-1:],
            "relgen_version": __version__,
        },
    )


def _require_inputs(stage: Stage, plan: Plan) -> None:
    for path in stage.inputs:
        if path.exists():
            continue
        makers = [s.name for s in plan.stages if s.folder in path.parents and s.record.is_file()]
        if not makers:
            raise InputError(
                f"stage {stage.name} needs this file, which does not exist yet",
                path=path,
                remedy="run the stages before it as well (leave --only out)",
            )
        deleted = " (keep_weights: false)" if path.suffix in _WEIGHTS else ""
        raise InputError(
            f"stage {stage.name} needs this file, which was deleted{deleted}",
            path=path,
            remedy=f"run the stage that writes it again: --force {makers[0]}",
        )


def _delete_weights(stages: Iterable[Stage]) -> None:
    """Delete the weights of trainings that are done, like all stages that read them."""
    distinct = list({stage.folder: stage for stage in stages}.values())
    for training in distinct:
        if training.kind != "train" or not training.record.is_file():
            continue
        weights = [path for path in training.folder.glob("*/*") if path.suffix in _WEIGHTS]
        if weights:
            readers = [s for s in distinct if any(training.folder in p.parents for p in s.inputs)]
            if all(is_done(stage) for stage in (training, *readers)):
                for path in weights:
                    path.unlink(missing_ok=True)


def _machine_settings(stage: Stage) -> dict[str, str]:
    """Return what `auto` in the command means here: begun with other settings, it starts again."""
    return {"dtype": fast_dtype()} if "auto" in stage.command else {}


def _clear(stage: Stage) -> None:
    stage.record.unlink(missing_ok=True)
    for folder in filter(None, (stage.folder, stage.board)):
        shutil.rmtree(folder, ignore_errors=True)


def _input_hashes(stage: Stage) -> dict[str, str]:
    # by position and name, so that a run that was moved to another folder is still done
    return {
        f"{index}/{path.name}": _hash(path) if path.exists() else ""
        for index, path in enumerate(stage.inputs)
    }


def _hash(path: Path) -> str:
    if path.is_dir():
        return content_hash(path)
    status = path.stat()
    return _file_hash(path, status.st_mtime_ns, status.st_size)


@functools.lru_cache(maxsize=4096)
def _file_hash(path: Path, modified: int, size: int) -> str:
    """Hash a file's content once: checkpoints are large, and inputs of several stages."""
    return content_hash(path)


def _announce(stage: Stage, number: int, chosen: list[Stage], seconds: float) -> None:
    left = [s.kind for s in chosen[number:] if not is_done(s)]
    kinds = [f"{left.count(kind)} {kind}" for kind in STAGE_KINDS if kind in left]
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
                remedy=f"kinds: {', '.join(STAGE_KINDS)}; names: {', '.join(known)}",
            )
        selected += [stage for stage in found if stage not in selected]
    return [stage for stage in plan.stages if stage in selected]
