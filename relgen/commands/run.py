"""`relgen run`: an experiment from beginning to end; run again, it goes on where it stopped."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from relgen.experiment import load_experiment
from relgen.runner import print_plan, run_experiment
from relgen.stages import plan


def add_parser(subparsers: Any) -> None:
    """Adds the command to the parser of `relgen`."""
    parser = subparsers.add_parser(
        "run",
        help="run an experiment: split, tune, generate, train, test, report",
        description="Runs an experiment as a list of relgen commands. Stages that are done already "
        "are kept; an interrupted run goes on where it stopped.",
    )
    parser.add_argument("experiment", help="experiment.yaml, or a preset (everyday, semeval)")
    parser.add_argument("--out", required=True, type=Path, help="folder of the run")
    parser.add_argument(
        "--dry-run", action="store_true", help="print the commands, and which are done; run nothing"
    )
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="STAGE",
        help="run these stages only: a name (seed1/split) or a kind (split, chains, dpo, generate, "
        "collect, diversity, train, test, report); may be given several times",
    )
    parser.add_argument(
        "--force",
        action="append",
        default=[],
        metavar="STAGE",
        help="run these stages again, though they are done",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Plans, and prints or runs the plan."""
    experiment = load_experiment(args.experiment)
    stages = plan(experiment, args.out)
    if args.dry_run:
        print_plan(stages, args.out, only=args.only, force=args.force)
    else:
        run_experiment(experiment, stages, args.out, only=args.only, force=args.force)
