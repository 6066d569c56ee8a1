"""Runs the cells of a grid: one after another, or their seeds as parallel jobs."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from relgen.common import InputError, text_hash
from relgen.experiments.cluster import Jobs, run_jobs
from relgen.experiments.grid import Cell, Grid
from relgen.experiments.planner import plan
from relgen.experiments.run_folders import Owner, owner_of
from relgen.experiments.runner import Execute, print_plan, run_experiment
from relgen.experiments.stage_state import is_done
from relgen.experiments.stages import Plan


def run_grid(
    grid: Grid,
    out: Path,
    *,
    file: str,
    execute: Execute,
    cells: Collection[str] = (),
    seeds: Collection[int] = (),
    only: Iterable[str] = (),
    force: Iterable[str] = (),
    jobs: Jobs | None = None,
) -> None:
    """Run the cells of a grid; once all are done, write the grid's report.

    Args:
        file: the grid's path or preset name, which jobs read again.
        execute: runs a command line in this process.
        cells, seeds: run these only; empty: run all. With seeds, no results are written.
        only, force: stages, as in `run_experiment`.
        jobs: run every seed of every cell as a job; None runs all in this process.

    Raises:
        InputError: a stage or a job fails, or there is no such cell.
    """
    chosen = choose(grid, cells)
    plans = {cell.name: plan(cell.experiment, out, cell=cell.name) for cell in chosen}
    # cells share trainings: their weights are kept as long as any cell may read them
    readers = [
        stage
        for cell in grid.cells
        if not all(other.experiment.keep_weights for other in chosen)
        for stage in (plans.get(cell.name) or plan(cell.experiment, out, cell=cell.name)).stages
    ]
    if not grid.single:
        content = {"cells": [cell.name for cell in grid.cells], "settings": grid.source}
        rule = "a grid is identified by its file's name"
        Owner("grid", grid.name, text_hash(grid.name)[:16], rule, content).claim(out)
    if jobs is not None:
        _spread(grid, plans, out, file, jobs)
    options: dict[str, Any] = {"only": only, "force": force, "seeds": seeds, "readers": readers}
    for cell in chosen:
        if not grid.single:
            print(f"== {cell.name}", file=sys.stderr, flush=True)
        made, folder = plans[cell.name], cell.folder(out)
        run_experiment(cell.experiment, made, folder, execute=execute, **options)
    if not grid.single and not seeds:
        missing = [c.name for c in grid.cells if not (c.folder(out) / "results.json").is_file()]
        if missing:
            print(f"cells without results so far: {', '.join(missing)}")
        else:
            execute(["report", str(out)])


def print_grid(
    grid: Grid,
    out: Path,
    *,
    cells: Collection[str] = (),
    only: Iterable[str] = (),
    force: Iterable[str] = (),
) -> None:
    """Print the commands of the cells."""
    chosen = choose(grid, cells)
    plans = [plan(cell.experiment, out, cell=cell.name) for cell in chosen]
    for cell, made in zip(chosen, plans, strict=True):
        if not grid.single:
            print(f"## {cell.name}")
        print_plan(made, cell.folder(out), only=only, force=force)


def choose(grid: Grid, names: Collection[str]) -> list[Cell]:
    """Return the cells with these names, or all if there are none.

    Raises:
        InputError: there is no such cell.
    """
    known = [cell.name for cell in grid.cells]
    for name in names:
        if name not in known or grid.single:
            cells = "this is a single experiment" if grid.single else f"cells: {', '.join(known)}"
            raise InputError("no such cell", field="--cell", value=name, remedy=cells)
    return [cell for cell in grid.cells if not names or cell.name in names]


def _spread(grid: Grid, plans: Mapping[str, Plan], out: Path, file: str, jobs: Jobs) -> None:
    commands = {}
    for cell in choose(grid, [] if grid.single else list(plans)):
        owner_of(cell.experiment).claim(cell.folder(out))
        for seed in cell.experiment.seeds:
            stages = [s for s in plans[cell.name].stages if s.name.startswith(f"seed{seed}/")]
            if not all(map(is_done, stages)):
                part = () if grid.single else ("--cell", cell.name)
                line = ("run", file, "--out", str(out), *part, "--seed", str(seed))
                commands[f"{cell.name or grid.name}, seed {seed}"] = line
    if not commands:
        return
    print(f"{len(commands)} jobs; their logs are in {out / 'jobs'}", file=sys.stderr, flush=True)
    if failures := run_jobs(commands, jobs, out / "jobs"):
        first = failures[0]
        raise InputError(
            f"{len(failures)} of {len(commands)} jobs failed; {first.name}: {first.last_line}",
            path=first.log,
            remedy="fix the cause and run the same command again: finished stages are kept",
        )
