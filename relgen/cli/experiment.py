"""Runs an experiment from Python: `relgen.run` is `relgen run` as a function."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from relgen.cli.main import run as execute
from relgen.common import InputError, read_json
from relgen.experiments import RunOptions, load_grid
from relgen.experiments import run as run_experiments


def run(
    experiment: str | Path,
    *,
    out: str | Path,
    cell: str | None = None,
    force: Collection[str] = (),
) -> dict[str, Any]:
    """Run the stages of an experiment that are not done yet, and return its `results.json`.

    Args:
        experiment: path of a YAML file, or name of a shipped preset.
        out: folder of the run; an interrupted run continues in the same folder.
        cell: which experiment of a grid to run; needed for grids, refused for single experiments.
        force: names or kinds of stages to run again although they are done.

    Raises:
        InputError: the experiment or an input of a stage cannot be used.
    """
    grid = load_grid(str(experiment))
    if not grid.single and cell is None:
        remedy = f"one of {', '.join(known.name for known in grid.cells)}"
        raise InputError("a grid needs the name of one cell", field="cell", remedy=remedy)
    cells = () if cell is None else (cell,)
    options = RunOptions(experiment=str(experiment), out=str(out), cell=cells, force=tuple(force))
    (folder,) = run_experiments(options, execute)
    results: dict[str, Any] = read_json(folder / "results.json")
    return results
