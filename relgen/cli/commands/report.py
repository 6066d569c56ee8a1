"""`relgen report`: the page and the Markdown of finished experiments."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from relgen.common import InputError, read_json
from relgen.experiments import GRID_MARK


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command to relgen's parser."""
    parser = subparsers.add_parser(
        "report",
        help="write report.html and report.md of a finished experiment",
        description="Writes report.html (one file, no network needed) and report.md into the "
        "folder of a finished experiment, from its results.json and report_data.json; of a grid, "
        "the tables of all its cells; with --compare, those of several experiments side by side.",
    )
    parser.add_argument("folder", type=Path, nargs="?", help="folder that `relgen run --out` wrote")
    parser.add_argument(
        "--compare", type=Path, nargs="+", metavar="FOLDER", help="folders to set side by side"
    )
    parser.add_argument(
        "--out",
        type=Path,
        help="folder for the two files (default: the experiment's own; with --compare, A-and-B "
        "beside the first, or GRID-compared)",
    )
    parser.add_argument(
        "--no-human-sentences",
        dest="human_sentences",
        action="store_false",
        help="leave out the corpus's own sentences, e.g. to publish the report (corpora whose "
        "licence forbids it, such as TACRED, are left out always)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Writes the report. Raises InputError when a folder holds no results."""
    from relgen.reporting import write_comparison, write_report

    if (args.folder is None) == (args.compare is None):
        raise InputError(
            "takes a folder, or --compare with several", remedy="relgen report runs/NAME"
        )
    shown = {"human_sentences": args.human_sentences}
    if args.compare is not None:
        folders = _labelled(args.compare)
        out = args.out or args.compare[0].resolve().parent / _joined(args.compare)
        paths = write_comparison(folders, out, title=" and ".join(folders), **shown)
    elif (mark := args.folder / GRID_MARK).is_file():
        grid = _grid(mark)
        cells = {name: args.folder / name for name in grid["cells"]}
        unfinished = [n for n, cell in cells.items() if not (cell / "results.json").is_file()]
        if unfinished:
            raise InputError(
                "this grid is not finished: some of its cells have no results yet",
                path=args.folder,
                value=unfinished,
                remedy=f"run it to its end: relgen run … --out {args.folder}",
            )
        target = args.out or args.folder
        paths = write_comparison(
            cells, target, title=grid["name"], settings=grid["settings"], **shown
        )
    else:
        paths = write_report(args.folder, args.out, **shown)
    for path in paths:
        print(f"Wrote {path}")


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
    """A folder's name that is none of the runs' own."""
    names = [folder.resolve().name for folder in folders]
    return f"{names[0]}-compared" if len(names) == 1 else "-and-".join(names)[:100]


def _labelled(given: list[Path]) -> dict[str, Path]:
    """Folders by their own names; by their paths, where two have one name. A grid is its cells.

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
