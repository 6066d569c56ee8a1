"""A grid: several experiments in one file, which differ in a few keys.

    arms: [human, obo_dpo_mix]        # any keys of an experiment, for all cells
    generator: {model: smollm2-135m-instruct}
    cells:                            # a cell's own keys win; mappings are merged key by key
      - {corpus: semeval, shots: 8}
      - {corpus: semeval, shots: 16, generator: {samples: 32}}

Each cell is an experiment whose results go to a folder below the grid's, named after its corpus and
K or by its key `name`. Whatever cells share (a split, an adapter, a generated set) is made once, in
the grid's folder. A file without `cells` is a grid of one experiment, in the grid's folder itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import yaml

from relgen.common import (
    InputError,
    find_config,
    key_line,
    located,
    merged,
    read,
    read_text,
    read_yaml,
)
from relgen.experiments.changes import ENCODER, gathered
from relgen.experiments.config import Experiment, Generator

GRID_MARK = "grid.json"
"""The file in a grid's folder with its name, its cells and its file's text."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One experiment of a grid, the name of its folder below the grid's, and its place there.

    The name is empty for a file without cells.
    """

    name: str
    experiment: Experiment
    number: int = 0

    def folder(self, out: Path) -> Path:
        """Return the cell's folder below the grid's folder `out`."""
        return out / self.name if self.name else out


@dataclass(frozen=True, slots=True)
class Grid:
    """The experiments of a file: its cells, and its text."""

    path: Path
    cells: tuple[Cell, ...]
    source: str

    @property
    def name(self) -> str:
        """Return the file's name without its ending."""
        return self.path.stem

    @property
    def single(self) -> bool:
        """Return True if the file is one experiment, without cells."""
        return not self.cells[0].name

    def place(self, error: InputError, cell: Cell) -> InputError:
        """Return an error about a cell's key with the file and the key's line."""
        if error.path is not None or error.field is None:
            return error
        keys = [error.field, error.field.replace(ENCODER, "encoder")]
        for key in [*(f"cells[{cell.number}].{key}" for key in keys), *keys]:
            if line := key_line(self.path, key, exact=True):
                return error.at(path=self.path, line=line, field=key)
        return error.at(path=self.path)


def load_grid(name: str | Path) -> Grid:
    """Read and check a file with cells or with one experiment, by path or preset name.

    Raises:
        InputError: names the file, the cell, the key, the value and the remedy.
    """
    path = find_config(name, "experiments")
    content = read_yaml(path, remedy="see the README's example of an experiment")
    source = read_text(path)
    try:
        if not isinstance(content, dict):
            raise InputError("an experiment is a mapping", value=content)
        if "cells" in content:
            cells = _cells(content)
        else:
            cells = [Cell("", _experiment(content, path.stem, source))]
    except InputError as error:
        raise located(error, path) from error
    return Grid(path, tuple(cells), source)


def _cells(content: Mapping[str, Any]) -> list[Cell]:
    common, cells = dict(content), content["cells"]
    del common["cells"]
    if not isinstance(cells, list) or not cells:
        raise InputError("must be a list of at least one mapping", field="cells", value=cells)
    made: dict[str, Cell] = {}
    for number, own in enumerate(cells):
        cell = replace(_cell(common, own, f"cells[{number}]"), number=number)
        if cell.name in made:
            raise InputError(
                "another cell has this name",
                field=f"cells[{number}]",
                value=cell.name,
                remedy="give the cell a key `name`",
            )
        made[cell.name] = cell
    return list(made.values())


def _cell(common: Mapping[str, Any], own: Any, where: str) -> Cell:
    if not isinstance(own, dict):
        raise InputError("must be a mapping", field=where, value=own)
    # the keys of two corpora must not be merged
    content = merged({k: v for k, v in common.items() if k != "corpus" or k not in own}, own)
    given = content.pop("name", None)
    if given is not None and (not isinstance(given, str) or Path(given).name != given):
        raise InputError("must be a folder's name", field=f"{where}.name", value=given)
    try:
        experiment = _experiment(content, "cell", "")
    except InputError as error:
        # a key that the cell does not have is one that all cells share
        inside = (error.field or "").partition(".")[0] in own or not error.field
        problem = error.problem if inside else f"{error.problem} (in {where})"
        key = f"{where}.{error.field or ''}".rstrip(".") if inside else error.field
        raise InputError(problem, field=key, value=error.value, remedy=error.remedy) from error
    name = given or f"{experiment.corpus_name}-k{experiment.shots}"
    # the cell's own report shows this text, and reads its settings from it
    source = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
    return Cell(name, replace(experiment, name=name, source=source))


def _experiment(content: Mapping[str, Any], name: str, source: str) -> Experiment:
    for key in ("name", "source"):
        if key in content:
            raise InputError("unknown key", field=key, value=content[key])
    if "corpus" not in content:
        raise InputError(
            "missing",
            field="corpus",
            remedy="name one, such as everyday, or your files: {train: …, test: …, schema: …}",
        )
    own = [entry.name for entry in fields(Generator) if not entry.metadata]
    made = gathered(content, own)
    experiment = read(Experiment, {**made, "name": name, "source": source})
    _check_presets(experiment)
    return experiment


def _check_presets(experiment: Experiment) -> None:
    """Raise InputError for a preset that does not exist, or is not a classifier's."""
    generator = experiment.generator
    presets = [("dpo", "dpo", experiment.tuning.preset)]
    presets += [
        (f"generator.{key}", "generate", getattr(generator, key))
        for key in ("obo", "aao", "xu2023")
    ]
    presets += [("classifiers", "classifier", one.preset) for one in experiment.trained]
    for key, folder, preset in presets:
        try:
            content = read_yaml(find_config(preset, folder))
        except InputError as error:
            raise InputError(str(error), field=key) from error
        if key == "classifiers" and not _is_classifiers(content):
            raise InputError(
                "is not a configuration of `relgen classifier`",
                field=key,
                value=preset,
                remedy="use one like configs/classifier/entity_marker.yaml",
            )


def _is_classifiers(content: Any) -> bool:
    model = content.get("model") if isinstance(content, dict) else None
    return isinstance(model, dict) and "classifier" in (model.get("init_args") or model)
