"""Runs the cells of a grid: one after the other here, or their seeds as jobs side by side."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from relgen.common import InputError, read_json, write_json
from relgen.experiments.cluster import Cluster, JobCommand, run_jobs
from relgen.experiments.grid import GRID_MARK, Cell, Grid
from relgen.experiments.planner import plan
from relgen.experiments.plans import Plan
from relgen.experiments.run_folders import claim, refuse_foreign
from relgen.experiments.runner import Execute, is_done, print_plan, run_experiment


@dataclass(frozen=True, slots=True)
class Jobs:
    """How a run is spread over processes.

    Args:
        cluster: `local` or `slurm`.
        at_once: so many at the same time; None submits all.
        options: of submitit's executor.
    """

    cluster: Cluster
    at_once: int | None
    options: Mapping[str, Any]


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
    """Runs what is not done; with all cells done, writes the grid's results and report.

    Args:
        grid: what to do.
        out: the run's folder.
        file: what the user called the grid by: jobs read it again.
        execute: runs one command line of relgen in this process.
        cells: these alone; empty: all.
        seeds: these alone, without results; empty: all.
        only, force: stages, as `run_experiment` takes them.
        jobs: spreads the seeds of all cells over processes; None works here.

    Raises:
        InputError: what a stage raises, or which jobs failed.
    """
    chosen = choose(grid, cells)
    plans = {cell.name: plan(cell.experiment, out, cell=cell.name) for cell in chosen}
    if not grid.single:
        _claim(grid, out)
    if jobs is not None:
        _spread(grid, chosen, plans, out, file, jobs)
    for cell in chosen:
        if not grid.single:
            print(f"== {cell.name}", file=sys.stderr, flush=True)
        folder = cell.folder(out)
        run_experiment(
            cell.experiment,
            plans[cell.name],
            folder,
            execute=execute,
            only=only,
            force=force,
            seeds=seeds,
        )
    if not grid.single and not seeds:
        _finish(grid, out, execute)


def print_grid(
    grid: Grid,
    out: Path,
    *,
    cells: Collection[str] = (),
    only: Iterable[str] = (),
    force: Iterable[str] = (),
) -> None:
    """Prints the commands of every cell."""
    chosen = choose(grid, cells)
    plans = [plan(cell.experiment, out, cell=cell.name) for cell in chosen]
    for cell, made in zip(chosen, plans, strict=True):
        if not grid.single:
            print(f"## {cell.name}")
        print_plan(made, cell.folder(out), only=only, force=force)


def choose(grid: Grid, names: Collection[str]) -> list[Cell]:
    """The cells of these names, or all. Raises InputError for a name that there is not."""
    known = [cell.name for cell in grid.cells]
    for name in names:
        if name not in known or grid.single:
            raise InputError(
                "no such cell",
                field="--cell",
                value=name,
                remedy="this is a single experiment"
                if grid.single
                else f"cells: {', '.join(known)}",
            )
    return [cell for cell in grid.cells if not names or cell.name in names]


def _spread(
    grid: Grid, cells: list[Cell], plans: Mapping[str, Plan], out: Path, file: str, jobs: Jobs
) -> None:
    commands = []
    for cell in cells:
        claim(cell.experiment, cell.folder(out))
        for seed in cell.experiment.seeds:
            stages = [s for s in plans[cell.name].stages if s.name.startswith(f"seed{seed}/")]
            if all(map(is_done, stages)):
                continue
            part = () if grid.single else ("--cell", cell.name)
            line = ("run", file, "--out", str(out), *part, "--seed", str(seed))
            commands.append(JobCommand(f"{cell.name or grid.name}, seed {seed}", line))
    if not commands:
        return
    print(f"{len(commands)} jobs; their logs are in {out / 'jobs'}", file=sys.stderr, flush=True)
    failures = run_jobs(
        commands,
        cluster=jobs.cluster,
        at_once=jobs.at_once,
        folder=out / "jobs",
        options=jobs.options,
        ended=_say,
    )
    if failures:
        first = failures[0]
        raise InputError(
            f"{len(failures)} of {len(commands)} jobs failed; {first.name}: {first.said}",
            path=first.log,
            remedy="mend it and run the same command again: what is done is kept",
        )


def _say(name: str, failed: bool, left: int) -> None:
    print(f"{'failed' if failed else 'done'}: {name}; {left} left", file=sys.stderr, flush=True)


def _claim(grid: Grid, out: Path) -> None:
    """Makes the folder this grid's: `grid.json` names it and its cells."""
    mark = out / GRID_MARK
    if mark.is_file():
        if (found := read_json(mark).get("name")) != grid.name:
            raise InputError(
                "this folder belongs to another grid",
                path=out,
                value=found,
                remedy=f"give another --out for '{grid.name}' (a grid is known by its file's name)",
            )
    else:
        refuse_foreign(out, (f".{GRID_MARK}.",))
        out.mkdir(parents=True, exist_ok=True)
    cells = [cell.name for cell in grid.cells]
    write_json(mark, {"name": grid.name, "cells": cells, "settings": grid.source})


def _finish(grid: Grid, out: Path, execute: Execute) -> None:
    """The report of the grid is that of all its cells."""
    missing = [c.name for c in grid.cells if not (c.folder(out) / "results.json").is_file()]
    if missing:
        print(f"cells without results yet: {', '.join(missing)}")
        return
    execute(["report", str(out)])
