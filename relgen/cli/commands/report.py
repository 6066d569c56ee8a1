"""`relgen report`: the page and the Markdown of finished experiments."""

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
        folders = _labelled(given)
        out = out or given[0].resolve().parent / _joined(given)
        paths = write_comparison(folders, out, title=" and ".join(folders), **shown)
    elif (mark := Path(options.folder) / GRID_MARK).is_file():
        grid = _grid(mark)
        cells = _finished_cells(grid, mark.parent)
        paths = write_comparison(
            cells, out or mark.parent, title=grid["name"], settings=grid["settings"], **shown
        )
    else:
        paths = write_report(Path(options.folder), out, **shown)
    for path in paths:
        print(f"Wrote {path}")


def _finished_cells(grid: dict[str, Any], folder: Path) -> dict[str, Path]:
    """Return the folders of a grid's cells. Raises InputError when one has no results yet."""
    cells = {name: folder / name for name in grid["cells"]}
    unfinished = [n for n, cell in cells.items() if not (cell / "results.json").is_file()]
    if unfinished:
        raise InputError(
            "this grid is not finished: some of its cells have no results yet",
            path=folder,
            value=unfinished,
            remedy=f"run it to its end: relgen run … --out {folder}",
        )
    return cells


def _grid(mark: Path) -> dict[str, Any]:
    grid = read_json(mark)
    if not isinstance(grid, dict) or not {"name", "cells", "settings"} <= grid.keys():
        raise InputError(
            "does not name the cells of a grid",
            path=mark,
            remedy="run the grid again: relgen run writes this file",
        )
    return grid


def _joined(folders: list[Path]) -> str:
    """Return a folder's name that is none of the runs' own."""
    names = [folder.resolve().name for folder in folders]
    return f"{names[0]}-compared" if len(names) == 1 else "-and-".join(names)[:100]


def _labelled(given: list[Path]) -> dict[str, Path]:
    """Return folders by their names, or by their paths where two share a name. A grid is its cells.

    Raises:
        InputError: fewer than two runs, or one of them twice.
    """
    folders: list[Path] = []
    for folder in given:
        mark = folder / GRID_MARK
        cells = _grid(mark)["cells"] if mark.is_file() else []
        folders += [folder / cell for cell in cells] or [folder]
    if len(folders) < 2:
        raise InputError(
            "one run cannot be compared with itself",
            field="--compare",
            value=str(folders[0]),
            remedy=f"name another one as well, or leave --compare out: relgen report {given[0]}",
        )
    names = [folder.resolve().name for folder in folders]
    if len(set(names)) < len(names):
        names = [str(folder) for folder in folders]
    if len(set(names)) < len(names):
        raise InputError("names a folder twice", field="--compare", value=names)
    return dict(zip(names, folders, strict=True))
