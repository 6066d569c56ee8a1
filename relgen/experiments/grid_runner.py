"""Runs the cells of a grid: one after another, or their seeds as parallel jobs."""

from __future__ import annotations

import shlex
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from relgen.common import InputError, counted
from relgen.experiments.checks import check_settings
from relgen.experiments.cluster import Jobs, run_jobs
from relgen.experiments.dry_run import print_plan
from relgen.experiments.estimates import Estimates
from relgen.experiments.grid import Cell, Grid, load_grid
from relgen.experiments.planner import plan
from relgen.experiments.progress import RunProgress
from relgen.experiments.run_folders import check_owner, claim, is_done
from relgen.experiments.runner import Execute, RunOptions, chosen_stages, run_experiment
from relgen.experiments.stages import Plan, Stage


def run(options: RunOptions, execute: Execute) -> list[Path]:
    """Run the cells of a grid, or print their commands; once all are done, write its report.

    `execute` runs a command line in this process. Returns the folders of the cells. Raises
    InputError if a stage or a job fails, or there is no such cell, seed or stage.
    """
    grid, out = load_grid(options.experiment), Path(options.out)
    chosen = _chosen(grid, options)
    seen = set[tuple[str, ...]]()
    plans = {cell.name: _planned(grid, cell, out, execute, seen) for cell in chosen}
    readers = _readers(grid, plans, out)
    if not options.dry_run:
        if not grid.single:
            claim(grid, out)
        if options.jobs is not None:
            _spread(grid, chosen, plans, options)
    estimates = Estimates((cell.experiment, plans[cell.name]) for cell in chosen)
    stages = [stage for cell in chosen for stage in chosen_stages(plans[cell.name], options)]
    if options.dry_run:
        _print(grid, chosen, plans, options, estimates, execute)
        return [cell.folder(out) for cell in chosen]
    progress = RunProgress(stages, estimates)
    for cell in chosen:
        made, folder = plans[cell.name], cell.folder(out)
        if not grid.single:
            print(f"== {cell.name}", file=sys.stderr, flush=True)
        run_experiment(
            cell.experiment,
            made,
            folder,
            options,
            execute=execute,
            readers=readers,
            progress=progress,
        )
    if not (grid.single or options.seed):
        missing = [c.name for c in grid.cells if not (c.folder(out) / "results.json").is_file()]
        if missing:
            print(f"cells without results so far: {', '.join(missing)}")
        else:
            execute(["report", str(out)])
    return [cell.folder(out) for cell in chosen]


def _chosen(grid: Grid, options: RunOptions) -> list[Cell]:
    """Return the cells of `--cell`. Raises InputError for an unknown cell or seed."""
    known = [cell.name for cell in grid.cells]
    for name in options.cell:
        if name not in known or grid.single:
            cells = "this is a single experiment" if grid.single else f"cells: {', '.join(known)}"
            raise InputError("no such cell", field="--cell", value=name, remedy=cells)
    chosen = [cell for cell in grid.cells if not options.cell or cell.name in options.cell]
    seeds = {seed for cell in chosen for seed in cell.experiment.seeds}
    if unknown := [seed for seed in options.seed if seed not in seeds]:
        remedy = f"seeds: {', '.join(map(str, sorted(seeds)))}"
        raise InputError("no such seed", field="--seed", value=unknown[0], remedy=remedy)
    return chosen


def _print(
    grid: Grid,
    chosen: list[Cell],
    plans: Mapping[str, Plan],
    options: RunOptions,
    estimates: Estimates,
    execute: Execute,
) -> None:
    """Print the commands of the cells, and how long those to do will take."""
    out, to_do, again = Path(options.out), dict[Path, Stage](), dict[Path, Stage]()
    if not grid.single:
        check_owner(grid, out)
    with tempfile.TemporaryDirectory() as scratch:
        for cell in chosen:
            print("" if grid.single else f"## {cell.name}\n", end="")
            made, folder = plans[cell.name], cell.folder(out)
            check_owner(cell.experiment, folder)
            try:
                pending, waiting = print_plan(made, folder, options, execute, Path(scratch))
            except InputError as error:
                raise grid.place(error, cell) from error
            to_do |= {stage.folder: stage for stage in pending}
            again |= {stage.folder: stage for stage in waiting}
    if not (grid.single or options.seed):
        print(
            f"# report of all cells, once each has results\nrelgen report {shlex.quote(str(out))}"
        )
    how_long = f"{counted(len(to_do), 'stage')} to do: {estimates.describe(to_do.values())}"
    if more := [stage for place, stage in again.items() if place not in to_do]:
        how_long += f"; {len(more)} again if their inputs change: {estimates.describe(more)}"
    print(f"# {how_long}" if to_do else "# all stages are done")


def _planned(
    grid: Grid, cell: Cell, out: Path, execute: Execute, seen: set[tuple[str, ...]]
) -> Plan:
    """Plan a cell, and check what its stages to do will load; errors name the file's key."""
    try:
        made = plan(cell.experiment, out, cell=cell.name)
        to_do = [stage for stage in made.stages if not is_done(stage)]
        check_settings(cell.experiment, to_do, execute, seen)
    except InputError as error:
        raise grid.place(error, cell) from error
    return made


def _readers(grid: Grid, plans: Mapping[str, Plan], out: Path) -> list[Stage]:
    """Return the stages that may read weights: cells share trainings."""
    if all(cell.experiment.keep_weights for cell in grid.cells if cell.name in plans):
        return []
    every = (plans.get(c.name) or plan(c.experiment, out, cell=c.name) for c in grid.cells)
    return [stage for made in every for stage in made.stages]


def _spread(grid: Grid, chosen: list[Cell], plans: Mapping[str, Plan], options: RunOptions) -> None:
    """Run every seed of every cell as a job."""
    commands, out = {}, Path(options.out)
    for cell in chosen:
        claim(cell.experiment, cell.folder(out))
        for seed in cell.experiment.seeds:
            stages = [s for s in plans[cell.name].stages if s.name.startswith(f"seed{seed}/")]
            if not all(map(is_done, stages)):
                part = () if grid.single else ("--cell", cell.name)
                line = ("run", options.experiment, "--out", str(out), *part, "--seed", str(seed))
                commands[f"{cell.name or grid.name}, seed {seed}"] = line
    if not commands:
        return
    print(
        f"{counted(len(commands), 'job')}, with logs in {out / 'jobs'}", file=sys.stderr, flush=True
    )
    jobs = Jobs(options.cluster or "local", options.jobs or None, options.cluster_option)
    run_jobs(commands, jobs, out / "jobs")
