"""`relgen run`: an experiment from beginning to end; run again, it goes on where it stopped."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import yaml

from relgen.common import InputError
from relgen.experiments import STAGE_KINDS, Jobs, choose, load_grid, print_grid, run_grid


def add_parser(subparsers: Any) -> None:
    """Adds the command to the parser of `relgen`."""
    parser = subparsers.add_parser(
        "run",
        help="run an experiment: split, tune, generate, train, test, report",
        description="Runs an experiment as a list of relgen commands. Stages that are done already "
        "are kept; an interrupted run goes on where it stopped.",
    )
    parser.add_argument(
        "experiment",
        help="experiment.yaml, a grid of them, or a preset (everyday, semeval, semeval_effect, "
        "paper, paper_small, paper_small_more)",
    )
    parser.add_argument("--out", required=True, type=Path, help="folder of the run")
    parser.add_argument(
        "--dry-run", action="store_true", help="print the commands, and which are done; run nothing"
    )
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="STAGE",
        help=f"run these stages only: a name (seed1/split) or a kind "
        f"({', '.join(STAGE_KINDS)}); may be given several times",
    )
    parser.add_argument(
        "--force",
        action="append",
        default=[],
        metavar="STAGE",
        help="run these stages again, though they are done",
    )
    parser.add_argument(
        "--cell", action="append", default=[], metavar="NAME", help="this cell of a grid only"
    )
    parser.add_argument(
        "--seed",
        action="append",
        default=[],
        type=int,
        metavar="N",
        help="the stages of this seed only; other processes may run others at the same time",
    )
    parser.add_argument(
        "--jobs",
        type=int,
        metavar="N",
        help="run the seeds as jobs, N at a time (0: all of them), with submitit (extra `cluster`)",
    )
    parser.add_argument(
        "--cluster", choices=["local", "slurm"], help="where jobs run (local); needs --jobs"
    )
    parser.add_argument(
        "--cluster-option",
        action="append",
        default=[],
        type=_option,
        metavar="KEY=VALUE",
        help="of submitit's executor: timeout_min=600, gpus_per_node=1, slurm_partition=gpu, …",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Plans, and prints or runs the plan."""
    if args.jobs is not None and args.jobs < 0:
        raise InputError("must not be negative", field="--jobs", value=args.jobs)
    for name in ("seed", "only", "force"):
        if args.jobs is not None and getattr(args, name):
            raise InputError("does not go with --jobs", field=f"--{name}")
    for name in ("cluster", "cluster_option"):
        if args.jobs is None and getattr(args, name):
            raise InputError(
                "is for jobs",
                field=f"--{name.replace('_', '-')}",
                value=getattr(args, name),
                remedy="say how many at a time with --jobs N (0: all of them)",
            )
    grid = load_grid(args.experiment)
    chosen = choose(grid, args.cell)
    known = {seed for cell in chosen for seed in cell.experiment.seeds}
    if unknown := [seed for seed in args.seed if seed not in known]:
        remedy = f"seeds: {', '.join(map(str, sorted(known)))}"
        raise InputError("no such seed", field="--seed", value=unknown[0], remedy=remedy)
    if args.dry_run:
        print_grid(grid, args.out, cells=args.cell, only=args.only, force=args.force)
        return
    jobs = None
    if args.jobs is not None:
        jobs = Jobs(args.cluster or "local", args.jobs or None, dict(args.cluster_option))
    from relgen.cli.main import run as execute

    run_grid(
        grid,
        args.out,
        file=args.experiment,
        execute=execute,
        cells=args.cell,
        seeds=args.seed,
        only=args.only,
        force=args.force,
        jobs=jobs,
    )


def _option(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"'{text}' is not KEY=VALUE")
    return key, yaml.safe_load(value)
