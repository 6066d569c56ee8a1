"""`relgen report`: writes reports of finished experiments."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from relgen.common import POSITIONAL, InputError, read_json
from relgen.experiments import GRID_MARK


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Write report.html (one file, no network needed) and report.md of a finished experiment.

    They go into its folder, and are made from its results.json and report_data.json; of a grid, the
    tables of all its cells; with --compare, those of several experiments side by side.
    """

    folder: str | None = field(default=None, metadata=POSITIONAL)
    """Folder that `relgen run --out` wrote."""
    compare: tuple[str, ...] = ()
    """Folders to set side by side."""
    out: str | None = None
    """Folder for the two files; by default the experiment's own; with --compare, A-and-B beside the
    first, or GRID-compared.
    """
    human_sentences: bool = True
    """Show the corpus's own sentences; those of corpora whose licence forbids it, such as TACRED,
    are never shown.
    """


def run(options: Options) -> None:
    """Write the report. Raises InputError when a folder holds no results."""
    from relgen.reporting import write_comparison, write_report

    if (options.folder is None) == (not options.compare):
        raise InputError(
            "takes a folder, or --compare with several", remedy="relgen report runs/NAME"
        )
    shown: dict[str, Any] = {"human_sentences": options.human_sentences}
    out = None if options.out is None else Path(options.out)
    if options.folder is None:
        given = [Path(folder) for folder in options.compare]
        runs = _labelled(given)
        names = [folder.resolve().name for folder in given]
        joined = f"{names[0]}-compared" if len(names) == 1 else "-and-".join(names)[:100]
        out = out or given[0].resolve().parent / joined
        paths = write_comparison(runs, out, title=" and ".join(runs), **shown)
    elif grid := _grid(folder := Path(options.folder)):
        cells = {name: folder / name for name in grid["cells"]}
        if unfinished := [n for n, cell in cells.items() if not (cell / "results.json").is_file()]:
            raise InputError(
                "this grid is not finished: some of its cells have no results yet",
                path=folder,
                value=unfinished,
                remedy=f"run it to the end: relgen run … --out {folder}",
            )
        titles = {"title": grid["name"], "settings": grid["settings"]}
        paths = write_comparison(cells, out or folder, **titles, **shown)
    else:
        paths = write_report(folder, out, **shown)
    for path in paths:
        print(f"Wrote {path}")


def _grid(folder: Path) -> dict[str, Any] | None:
    """Return a grid's name, cells and settings; None for the folder of a single experiment."""
    mark = folder / GRID_MARK
    if not mark.is_file():
        return None
    grid = read_json(mark)
    if not isinstance(grid, dict) or not {"name", "cells", "settings"} <= grid.keys():
        raise InputError(
            "does not name the cells of a grid",
            path=mark,
            remedy="run the grid again: relgen run writes this file",
        )
    return grid


def _labelled(given: list[Path]) -> dict[str, Path]:
    """Return folders by their names, or by their paths where two share a name; a grid's cells."""
    folders: list[Path] = []
    for folder in given:
        grid = _grid(folder) or {"cells": [""]}
        folders += [folder / cell for cell in grid["cells"]]
    if len(folders) < 2:
        raise InputError(
            "at least two runs are needed for a comparison",
            field="--compare",
            value=str(folders[0]),
            remedy=f"add another folder, or drop --compare: relgen report {given[0]}",
        )
    names = [folder.resolve().name for folder in folders]
    if len(set(names)) < len(names):
        names = [str(folder) for folder in folders]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        remedy = "name each folder once; a grid's folder stands for those of its cells"
        raise InputError("names a folder twice", field="--compare", value=twice, remedy=remedy)
    return dict(zip(names, folders, strict=True))
