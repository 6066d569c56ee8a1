"""`relgen report`: the page and the Markdown of a finished experiment."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command to relgen's parser."""
    parser = subparsers.add_parser(
        "report",
        help="write report.html and report.md of a finished experiment",
        description="Writes report.html (one file, no network needed) and report.md into the "
        "folder of a finished experiment, from its results.json and report_data.json.",
    )
    parser.add_argument("folder", type=Path, help="folder that `relgen run --out` wrote")
    parser.add_argument(
        "--out", type=Path, help="folder for the two files (default: the experiment's own)"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Writes the report. Raises InputError when the folder holds no results."""
    from relgen.report import write_report

    for path in write_report(args.folder, args.out):
        print(f"Wrote {path}")
