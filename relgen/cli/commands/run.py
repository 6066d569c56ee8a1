"""`relgen run`: runs all stages of an experiment, or resumes an interrupted run."""

from __future__ import annotations

from relgen.experiments import RunOptions as Options
from relgen.experiments import run as run_experiments


def run(options: Options) -> None:
    """Plan, and print or run the plan."""
    from relgen.cli.main import run as execute

    run_experiments(options, execute)
