"""Runs the stages of an experiment that are not done yet, in one process, one after another.

A stage is done when its record (`stage.json`, written last) exists and the inputs still have the
content that it lists. A run killed at any moment leaves at most one stage without a record. The
next run continues that stage if its command can, and else starts it again in an empty folder.

Processes that run different seeds may share a folder: each stage has a lock.
"""

from __future__ import annotations

import contextlib
import gc
import io
import shlex
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from relgen import __version__
from relgen.common import (
    POSITIONAL,
    InputError,
    NonNegativeInt,
    fast_dtype,
    read_json,
    write_json,
)
from relgen.experiments.advice import run_advice
from relgen.experiments.config import Experiment
from relgen.experiments.estimates import Estimates
from relgen.experiments.progress import RunProgress
from relgen.experiments.results import print_table, write_report_data, write_results
from relgen.experiments.run_folders import (
    CURRENT,
    clear,
    delete_weights,
    earlier_output,
    input_hashes,
    is_done,
    link_current,
    owned,
    require_inputs,
    reserved,
    take_output,
)
from relgen.experiments.stages import STAGE_KINDS, Plan, Stage, model_hashes

Execute = Callable[[Sequence[str]], None]
"""Runs a command line, given without `relgen`; raises InputError or SystemExit."""

_BEGUN = "begun.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """Run an experiment as a list of relgen commands.

    Stages that are done already are kept; an interrupted run continues where it stopped.
    """

    experiment: str = field(metadata={**POSITIONAL, "keys": Experiment})
    """Experiment file, a grid of them, or a preset such as everyday, semeval or paper_small."""
    out: str
    """Folder of the run."""
    dry_run: bool = False
    """Print the commands, whether they are done, and how long the others take, without running
    them; the first seed's samples are drawn in a temporary folder, to say what is missing.
    """
    only: tuple[str, ...] = ()
    """Run these stages only: names (seed1/split) or kinds (split, dpo, generate, train, …)."""
    force: tuple[str, ...] = ()
    """Rerun these stages although they are done."""
    cell: tuple[str, ...] = ()
    """Run these cells of a grid only."""
    seed: tuple[int, ...] = ()
    """Run the stages of these seeds only; other processes may run others at the same time."""
    jobs: NonNegativeInt | None = None
    """Run the seeds as jobs, N at a time (0: all of them), with submitit (extra `cluster`)."""
    cluster: Literal["local", "slurm"] | None = None
    """Where jobs run (by default local); needs --jobs."""
    cluster_option: dict[str, Any] = field(default_factory=dict)
    """Options of submitit's executor: timeout_min=600, gpus_per_node=1, slurm_partition=gpu, …"""

    def __post_init__(self) -> None:
        for name in ("seed", "only", "force"):
            if self.jobs is not None and getattr(self, name):
                raise InputError("cannot be combined with --jobs", field=name)
        for name in ("cluster", "cluster_option"):
            if self.jobs is None and getattr(self, name):
                raise InputError(
                    "needs --jobs",
                    field=name,
                    value=getattr(self, name),
                    remedy="give --jobs N, the number of jobs at a time (0: all)",
                )


def run_experiment(
    experiment: Experiment,
    plan: Plan,
    out: Path,
    options: RunOptions,
    *,
    execute: Execute,
    readers: Iterable[Stage] = (),
    progress: RunProgress | None = None,
) -> None:
    """Run the stages that are not done, write results and report, and print the scores.

    If `options` name seeds, no results are written, and other processes may run other seeds at the
    same time. `readers` are stages of other plans that may still read this plan's weights;
    `progress` is that of the whole grid. Raises InputError if a stage is unknown, the folder
    belongs to another experiment or is in use, or a stage's command fails.
    """
    chosen = chosen_stages(plan, options)
    forced = [stage for stage in select(plan, options.force) if stage in chosen]
    with owned(experiment, out, shared=bool(options.seed)):
        for stage in forced:
            with reserved(stage):
                clear(stage)
        if not options.seed:  # the links to what the plan no longer has go
            shutil.rmtree(out / CURRENT, ignore_errors=True)
        for stage in chosen if options.seed else plan.stages:
            link_current(stage, out)
        progress = progress or RunProgress(chosen, Estimates([(experiment, plan)]))
        with progress.shown():
            for stage in (stage for stage in chosen if not is_done(stage)):
                with progress.running(stage), reserved(stage):
                    # another process may have run it in the meantime
                    if not is_done(stage):
                        _run_stage(stage, plan, execute, reuse=stage not in forced)
                    link_current(stage, out)
                if not experiment.keep_weights:
                    delete_weights([*plan.stages, *readers])
        if options.seed:
            print(f"done: seeds {', '.join(map(str, options.seed))} -> {out}")
        elif options.only and "report" not in options.only:
            print(f"done: {', '.join(stage.name for stage in chosen)} -> {out}")
        else:
            _report(experiment, plan, out, execute)


def _report(experiment: Experiment, plan: Plan, out: Path, execute: Execute) -> None:
    if missing := [stage.name for stage in plan.stages if not is_done(stage)]:
        raise InputError(
            "there is no report yet, because some stages are not done",
            path=out,
            value=missing[:3],
            remedy="run the command without --only",
        )
    results = write_results(experiment, plan, out)
    write_report_data(experiment, plan, out)
    execute(["report", str(out)])
    print_table(results)
    for name, advice in run_advice(results):
        print(f"warning: {name}: {advice}", file=sys.stderr)
    print(f"report: {out / 'report.html'}")


def chosen_stages(plan: Plan, options: RunOptions) -> list[Stage]:
    """Return the stages of `--only` and `--seed`; those that all seeds share belong to each."""
    chosen = select(plan, options.only) if options.only else list(plan.stages)
    return [s for s in chosen if not options.seed or _seed_of(s) in (None, *options.seed)]


def _seed_of(stage: Stage) -> int | None:
    first = stage.name.partition("/")[0]
    return int(first.removeprefix("seed")) if first.startswith("seed") else None


def _run_stage(stage: Stage, plan: Plan, execute: Execute, *, reuse: bool = True) -> None:
    require_inputs(stage, plan)
    if reuse and (earlier := earlier_output(stage)):
        take_output(stage, earlier)
        return
    inputs = input_hashes(stage)
    begun, now = stage.folder / _BEGUN, inputs | _machine_settings(stage)
    # partial output from other inputs, or of a finished stage that is out of date, is not used
    continues = stage.resumable and begun.is_file() and not stage.record.is_file()
    if not continues or read_json(begun) != now:
        clear(stage)
    stage.folder.mkdir(parents=True, exist_ok=True)
    if stage.resumable:
        write_json(begun, now)
    started, began = datetime.now().astimezone(), time.monotonic()
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said):
            execute(stage.command)
    except SystemExit as error:
        # a finished command returns: this one exited before its end, whatever its code
        line = shlex.join(stage.command)
        raise InputError(f"stage {stage.name} failed: relgen {line}") from error
    gc.collect()
    write_json(
        stage.record,
        {
            "name": stage.name,
            "command": ["relgen", *stage.command],
            "inputs": inputs,
            "models": model_hashes(stage.models),
            "machine_settings": _machine_settings(stage),
            "started": started.isoformat(timespec="seconds"),
            "seconds": round(time.monotonic() - began, 2),
            "output": said.getvalue().strip().splitlines()[-1:],
            "relgen_version": __version__,
        },
    )


def _machine_settings(stage: Stage) -> dict[str, str]:
    """Return the dtype that `auto` stands for on this machine; a stage restarts if it changes."""
    return {"dtype": fast_dtype()} if "auto" in stage.command else {}


def select(plan: Plan, names: Iterable[str]) -> list[Stage]:
    """Return the stages of these names or kinds, in the plan's order.

    Raises InputError for a name that no stage has.
    """
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
