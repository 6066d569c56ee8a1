"""`relgen run`: an experiment from beginning to end, continued where it was stopped."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from relgen.common import POSITIONAL, InputError, NonNegativeInt
from relgen.experiments import Grid, Jobs, choose, load_grid, print_grid, run_grid


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Run an experiment as a list of relgen commands.

    Stages that are done already are kept; an interrupted run continues where it stopped.
    """

    experiment: str = field(metadata=POSITIONAL)
    """Experiment file, a grid of them, or a preset such as everyday, semeval or paper_small."""
    out: str
    """Folder of the run."""
    dry_run: bool = False
    """Print the commands and which of them are done; run nothing."""
    only: tuple[str, ...] = ()
    """Run these stages only: names (seed1/split) or kinds (split, dpo, generate, train, …)."""
    force: tuple[str, ...] = ()
    """Run these stages again, though they are done."""
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
                raise InputError("does not go with --jobs", field=name)
        for name in ("cluster", "cluster_option"):
            if self.jobs is None and getattr(self, name):
                raise InputError(
                    "is for jobs",
                    field=name,
                    value=getattr(self, name),
                    remedy="say how many at a time with --jobs N (0: all of them)",
                )


def run(options: Options) -> None:
    """Plan, and print or run the plan."""
    grid = load_grid(options.experiment)
    _check_seeds(grid, options)
    stages = {"cells": options.cell, "only": options.only, "force": options.force}
    if options.dry_run:
        print_grid(grid, Path(options.out), **stages)
        return
    jobs = None
    if options.jobs is not None:
        jobs = Jobs(options.cluster or "local", options.jobs or None, options.cluster_option)
    from relgen.cli.main import run as execute

    run_grid(
        grid,
        Path(options.out),
        file=options.experiment,
        execute=execute,
        seeds=options.seed,
        jobs=jobs,
        **stages,
    )


def _check_seeds(grid: Grid, options: Options) -> None:
    """Raise InputError for a seed that no chosen cell has."""
    known = {seed for cell in choose(grid, options.cell) for seed in cell.experiment.seeds}
    if unknown := [seed for seed in options.seed if seed not in known]:
        remedy = f"seeds: {', '.join(map(str, sorted(known)))}"
        raise InputError("no such seed", field="--seed", value=unknown[0], remedy=remedy)
