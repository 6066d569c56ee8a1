"""`relgen run` as a function, for `relgen.run`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from relgen.cli.commands import run as command
from relgen.common import read_json
from relgen.experiments import load_grid


def run(experiment: str | Path, *, out: str | Path) -> dict[str, Any]:
    """Run an experiment, or continue an interrupted one, and return its results.

    Args:
        experiment: path of its YAML file, or the name of a preset such as `everyday`.
        out: the run's folder.

    Returns:
        The content of `results.json`; of a grid, that of each cell by the cell's name.

    Raises:
        InputError: a key, value or file that cannot be used.
    """
    command.run(command.Options(experiment=str(experiment), out=str(out)))
    grid = load_grid(experiment)
    results = {cell.name: read_json(cell.folder(Path(out)) / "results.json") for cell in grid.cells}
    return results[""] if grid.single else results
