"""A grid: several experiments in one file, which differ in a few keys.

    arms: [human, obo_dpo_mix]        # any keys of an experiment: all cells have them
    generator: {model: smollm2-135m-instruct}
    cells:                            # what a cell gives wins; mappings are merged key by key
      - {corpus: semeval, shots: 8}
      - {corpus: semeval, shots: 16, generator: {samples: 32}}

Each cell is an experiment whose results have a folder of their own in the grid's, named after its
corpus and K, or as its key `name` says. What cells have in common (a split, an adapter, a generated
set) is made once, in the grid's folder. An experiment without `cells` is a grid of one cell, in the
folder itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from relgen.common import InputError, find_config, located, merged, read_text, read_yaml
from relgen.experiments.config import Experiment
from relgen.experiments.load import build_experiment, load_experiment

GRID_MARK = "grid.json"
"""In a grid's folder: its name, its cells and its file's text."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One experiment of a grid.

    Args:
        name: of its folder below the grid's; empty for the grid's own folder.
        experiment: what to do.
    """

    name: str
    experiment: Experiment

    def folder(self, out: Path) -> Path:
        """Where it works, in the grid's folder `out`."""
        return out / self.name if self.name else out


@dataclass(frozen=True, slots=True)
class Grid:
    """The cells of a file, in its order.

    Args:
        name: the file's name without its ending.
        cells: at least one.
        source: the file's text.
    """

    name: str
    cells: tuple[Cell, ...]
    source: str

    @property
    def single(self) -> bool:
        """Whether the file is one experiment, without cells."""
        return not self.cells[0].name


def load_grid(name: str | Path) -> Grid:
    """Reads and checks a file with cells, or one experiment, by path or preset name.

    Raises:
        InputError: names the file, the cell, the key, the value and the remedy.
    """
    path = find_config(name, "experiments")
    content = read_yaml(path, remedy="compare it with configs/experiments/everyday.yaml")
    if not isinstance(content, dict) or "cells" not in content:
        experiment = load_experiment(name)
        return Grid(experiment.name, (Cell("", experiment),), experiment.source)
    source = read_text(path)
    common = {key: value for key, value in content.items() if key != "cells"}
    try:
        cells = content["cells"]
        if not isinstance(cells, list) or not cells:
            raise InputError("must be a list of mappings", field="cells", value=cells)
        made: dict[str, Cell] = {}
        for number, own in enumerate(cells):
            cell = _cell(common, own, f"cells[{number}]")
            if cell.name in made:
                raise InputError(
                    "another cell has this name",
                    field=f"cells[{number}]",
                    value=cell.name,
                    remedy="give the cell a key `name`",
                )
            made[cell.name] = cell
    except InputError as error:
        raise located(error, path) from error
    return Grid(path.stem, tuple(made.values()), source)


def _cell(common: Mapping[str, Any], own: Any, where: str) -> Cell:
    if not isinstance(own, dict):
        raise InputError("must be a mapping", field=where, value=own)
    # the files of two corpora do not go together
    content = merged({k: v for k, v in common.items() if k != "corpus" or k not in own}, own)
    given = content.pop("name", None)
    if given is not None and (not isinstance(given, str) or Path(given).name != given):
        raise InputError("must be a folder's name", field=f"{where}.name", value=given)
    try:
        experiment = build_experiment(content, "cell", "")
    except InputError as error:
        # a key that the cell does not have is one that all cells share
        inside = (error.field or "").partition(".")[0] in own or not error.field
        found = InputError(f"{where}: {error}")
        found.field = f"{where}.{error.field or ''}".rstrip(".") if inside else error.field
        raise found from error
    name = given or f"{experiment.corpus_name}-k{experiment.shots}"
    # what a report of the cell by itself shows, and reads its settings from
    source = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
    return Cell(name, replace(experiment, name=name, source=source))
